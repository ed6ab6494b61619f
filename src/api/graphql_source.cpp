#include "api/graphql_source.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "api/change.h"
#include "api/documents.h"
#include "api/live.h"
#include "api/queries.h"
#include "host/clock.h"

namespace cvf::api {
namespace {

namespace json = boost::json;
using graphql::SourceError;
using Clock = std::chrono::steady_clock;

SourceError error_of(const Problem& problem) {
    const char* code = problem.status == 400   ? "BAD_USER_INPUT"
                       : problem.status == 403 ? "FORBIDDEN"
                       : problem.status == 404 ? "NOT_FOUND"
                       : problem.status == 409 ? "CONFLICT"
                       : problem.status == 422 ? "INVALID_DIRECTIVE"
                       : problem.status == 501 ? "NOT_HERE"
                       : problem.status == 504 ? "TOO_LONG"
                                               : "UNAVAILABLE";
    std::string message = problem.detail;
    json::object more;
    if (!problem.parameter.empty()) {
        more["parameter"] = problem.parameter;
        if (problem.column != 0) more["column"] = problem.column;
        message = problem.column == 0 ? fmt::format("{}: {}", problem.parameter, message)
                                      : fmt::format("{}, column {}: {}", problem.parameter, problem.column, message);
    }
    if (!problem.problems.empty()) more["problems"] = problems_json(problem.problems);
    return {std::move(message), code, std::move(more)};
}

std::unexpected<SourceError> wrong(const Problem& problem) {
    return std::unexpected(error_of(problem));
}

// A kind by its name in the schema's enumeration, which has no other.
directive::Kind known_kind(std::string_view name) {
    return *directive::kind_by_name(name);
}

// Lines of a subscription of the Hub.
class HubStream final : public graphql::RecordStream {
 public:
    HubStream(std::unique_ptr<LiveReader> reader, std::function<void()> wake) : reader_(std::move(reader)) {
        reader_->begin(std::move(wake));
    }

    Item next() override {
        Item out;
        if (rest_.empty()) {
            const auto taken = reader_->take();
            out.lost = taken.lost_before;
            if (taken.batch) rest_ = taken.batch->view();
        }
        out.line = rest_.substr(0, rest_.find('\n'));
        rest_.remove_prefix(std::min(out.line.size() + 1, rest_.size()));
        return out;
    }

 private:
    const std::unique_ptr<LiveReader> reader_;
    std::string_view rest_;
};

}  // namespace

bool GraphqlSource::stopped() const {
    return state_.stopping.load(std::memory_order_relaxed) || (stopped_ && stopped_->load(std::memory_order_relaxed));
}

GraphqlSource::Done GraphqlSource::query(const history::QueryText& text, const history::Receiver& receiver) {
    const history::History* history = state_.services().history;
    if (!history) return wrong(not_here_problem(no_history));
    const auto parsed = history::parse_query(text, host::utc_now());
    if (!parsed) return wrong(problem_of(parsed.error()));
    const Problem over{
        .status = 504,
        .title = "Too long",
        .detail = fmt::format("the request took more than {} seconds: ask for less, or over REST, where answers are "
                              "sent as they are found",
                              longest_graphql_request.count())};
    if (Clock::now() > until_) return wrong(over);
    auto place = state_.queries->enter();
    if (!place) return wrong(too_many_problem("as many queries as may be are under way; try again when one has ended"));
    bool late = false;
    const auto go_on = [&] {
        late = late || Clock::now() > until_;
        return !late && !stopped();
    };
    history::Receiver mine;
    mine.row = [&](std::string_view line) { return go_on() && (!receiver.row || receiver.row(line)); };
    mine.table = [&](const history::Table& table, bool final) {
        return go_on() && (!receiver.table || receiver.table(table, final));
    };
    mine.progress = [&](const history::Progress& progress) {
        return go_on() && (!receiver.progress || receiver.progress(progress));
    };
    const auto done = history->query(*parsed, mine);
    place->done(done && !late && !stopped());
    if (late) return wrong(over);
    if (stopped()) return wrong({.status = 503, .detail = "nobody waits for the answer any more"});
    if (!done) return wrong({.status = 503, .detail = done.error()});
    return *done;
}

GraphqlSource::Result GraphqlSource::directives(const graphql::ListText& text) {
    const controller::Directives* directives = state_.services().directives;
    if (!directives) return wrong(not_here_problem(no_directives));
    const auto selector = LabelSelector::parse(text.labels);
    if (!selector) return wrong(parameter_problem("labelSelector", selector.error()));
    json::array out;
    size_t states = 0;
    for (const controller::Stored& stored : directives->list()) {
        if (out.size() == text.most) break;
        if ((!text.kind.empty() && directive::name_of(stored.directive.kind) != text.kind) ||
            directive::identity(stored.directive) <= text.after || !selector->matches(stored.directive.metadata.labels))
            continue;
        out.emplace_back(directive_document(stored, state_.services().nodes, text.states));
        states += states_in(out.back().get_object());
        if (states > max_page_states && out.size() > 1)
            return wrong(parameter_problem(
                "first", fmt::format("these directives have more than {} states on agents: ask for fewer", max_page_states)));
    }
    return out;
}

GraphqlSource::Result GraphqlSource::directive(std::string_view kind, std::string_view name) {
    const controller::Directives* directives = state_.services().directives;
    if (!directives) return wrong(not_here_problem(no_directives));
    const auto stored = directives->find(known_kind(kind), name);
    return stored ? json::value(directive_document(*stored, state_.services().nodes)) : json::value(nullptr);
}

GraphqlSource::Result GraphqlSource::nodes(const graphql::ListText& text) {
    const controller::Nodes* nodes = state_.services().nodes;
    if (!nodes) return wrong(not_here_problem(no_nodes));
    const auto selector = LabelSelector::parse(text.labels);
    if (!selector) return wrong(parameter_problem("labelSelector", selector.error()));
    json::array out;
    for (const controller::Node& node : nodes->list()) {
        if (out.size() == text.most) break;
        if (node.status.name > text.after && selector->matches(node.status.labels)) out.emplace_back(node_document(node));
    }
    return out;
}

GraphqlSource::Result GraphqlSource::node(std::string_view name) {
    const controller::Nodes* nodes = state_.services().nodes;
    if (!nodes) return wrong(not_here_problem(no_nodes));
    const auto found = nodes->find(name);
    return found ? json::value(node_document(*found)) : json::value(nullptr);
}

GraphqlSource::Result GraphqlSource::history() {
    const history::History* history = state_.services().history;
    if (!history) return json::value(nullptr);
    const history::Stats s = history->stats();
    return json::object{{"records", s.records},
                        {"bytes", s.bytes},
                        {"segments", s.segments},
                        {"first", s.first},
                        {"last", s.last},
                        {"written", s.written},
                        {"lost", s.lost},
                        {"refused", s.refused},
                        {"droppedRecords", s.dropped_records},
                        {"lastError", s.last_error.empty() ? json::value(nullptr) : json::value(s.last_error)}};
}

GraphqlSource::Result GraphqlSource::apply(std::string_view document, bool dry_run) {
    controller::Directives* directives = state_.services().directives;
    if (!directives) return wrong(not_here_problem(no_directives));
    // Who may change nothing at all is not told what is wrong with the document either.
    if (const auto no = refusal_for(state_, who_, role_, directive::Kind::metadata, "apply", "directives"))
        return wrong({.status = 403, .detail = *no});
    auto parsed = read_documents(document, {}, {directive::Syntax::automatic, state_.services().check_pcap_filter});
    if (!parsed) return wrong(invalid_problem(std::move(parsed.error())));
    if (parsed->empty()) return wrong({.status = 422, .detail = "there is no directive in the document"});
    for (const auto& one : *parsed)
        if (const auto no = refusal_for(state_, who_, role_, one.kind, "apply", directive::identity(one)))
            return wrong({.status = 403, .detail = *no});
    const auto applied = apply_all(*directives, *parsed, who_, dry_run);
    if (!applied) return wrong(problem_of(applied.error(), false));
    json::array out;
    for (const auto& [change, stored] : *applied)
        out.push_back(
            json::object{{"change", change_name(change)}, {"directive", directive_document(stored, state_.services().nodes)}});
    return out;
}

GraphqlSource::Result GraphqlSource::remove(std::string_view kind_name, std::string_view name) {
    controller::Directives* directives = state_.services().directives;
    if (!directives) return wrong(not_here_problem(no_directives));
    const directive::Kind kind = known_kind(kind_name);
    if (const auto no = refusal_for(state_, who_, role_, kind, "delete",
                                    fmt::format("{}/{}", kind_name, name.substr(0, controller::audit_text_bytes))))
        return wrong({.status = 403, .detail = *no});
    const auto removed = directives->remove(kind, name, who_, {});
    if (!removed) return wrong(problem_of(removed.error(), false));
    return json::value(directive_document(*removed, state_.services().nodes));
}

std::expected<std::unique_ptr<graphql::RecordStream>, SourceError> GraphqlSource::follow(const graphql::FollowText& text,
                                                                                         std::function<void()> wake) {
    const Following following{text.filter, text.types, text.keys, who_};
    auto subscription = subscription_of(*state_.options, following);
    if (!subscription) return wrong(subscription.error());
    auto reader = state_.streams->open(state_.services(), following, std::move(*subscription));
    if (!reader) return wrong(reader.error());
    return std::make_unique<HubStream>(std::move(*reader), std::move(wake));
}

}  // namespace cvf::api
