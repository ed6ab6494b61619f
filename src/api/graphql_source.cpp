#include "api/graphql_source.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <ctime>

#include "api/change.h"
#include "api/documents.h"

namespace cvf::api {
namespace {

namespace json = boost::json;
using graphql::SourceError;
using Clock = std::chrono::steady_clock;

std::unexpected<SourceError> wrong(std::string message, std::string code = "BAD_USER_INPUT", json::object more = {}) {
    return std::unexpected(SourceError{std::move(message), std::move(code), std::move(more)});
}

std::unexpected<SourceError> not_kept(const char* what) {
    return wrong(what, "NOT_HERE");
}
constexpr const char* no_controller = "only a controller has directives and nodes";

int64_t utc_now() {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

json::array problems_json(const directive::Problems& problems) {
    json::array out;
    for (const directive::Problem& p : problems) {
        json::object one{{"path", p.path}, {"message", p.message}};
        if (!p.nearest.empty()) one["nearest"] = p.nearest;
        if (p.line != 0) one["line"] = p.line;
        if (p.column != 0) one["column"] = p.column;
        if (p.expression_column != 0) one["expressionColumn"] = p.expression_column;
        if (p.document != 0) one["document"] = p.document;
        out.push_back(std::move(one));
    }
    return out;
}

SourceError invalid(const directive::Problems& problems) {
    return {problems.empty() ? "this is no directive" : problems.front().show(),
            "INVALID_DIRECTIVE",
            {{"problems", problems_json(problems)}}};
}

SourceError refused(const controller::Refusal& refusal) {
    const char* code = refusal.status == 404   ? "NOT_FOUND"
                       : refusal.status == 409 ? "CONFLICT"
                       : refusal.status == 422 ? "INVALID_DIRECTIVE"
                                               : "UNAVAILABLE";
    json::object more;
    if (!refusal.problems.empty()) more["problems"] = problems_json(refusal.problems);
    return {refusal.text, code, std::move(more)};
}

// Queries under way: of one server's own bound, counted over all of the process, of which there is one.
std::atomic<size_t> queries{0};
struct Running {
    const size_t before = queries.fetch_add(1);
    ~Running() { --queries; }
};

class FilterSelector final : public sink::Selector {
 public:
    explicit FilterSelector(filter::Filter filter) : filter_(std::move(filter)) {}
    bool matches(const record::Record& record) override { return filter_.matches(record); }

 private:
    filter::Filter filter_;
};

// Lines of a subscription of the Hub.
class HubStream final : public graphql::RecordStream {
 public:
    HubStream(sink::Hub& hub, sink::SubscriptionOptions options, std::shared_ptr<void> alive)
        : hub_(hub), subscription_(hub.subscribe(std::move(options))), alive_(std::move(alive)) {}
    ~HubStream() override { hub_.unsubscribe(subscription_); }
    HubStream(const HubStream&) = delete;
    HubStream& operator=(const HubStream&) = delete;

    Item next() override {
        Item out;
        if (rest_.empty()) {
            const auto taken = subscription_->take();
            out.lost = taken.lost_before;
            if (taken.batch) rest_ = taken.batch->view();
        }
        out.line = rest_.substr(0, rest_.find('\n'));
        rest_.remove_prefix(std::min(out.line.size() + 1, rest_.size()));
        return out;
    }

 private:
    sink::Hub& hub_;
    const std::shared_ptr<sink::Subscription> subscription_;
    const std::shared_ptr<void> alive_;
    std::string_view rest_;
};

}  // namespace

GraphqlSource::Done GraphqlSource::query(const history::QueryText& text, const history::Receiver& receiver) {
    const history::History* history = state_.services().history;
    if (!history) return not_kept("no history: it keeps no records");
    const auto parsed = history::parse_query(text, utc_now());
    if (!parsed) {
        const history::QueryError& error = parsed.error();
        json::object more{{"parameter", error.parameter}};
        if (error.column != 0) more["column"] = error.column;
        return wrong(error.show(), "BAD_USER_INPUT", std::move(more));
    }
    const Running running;
    if (running.before >= state_.options->max_queries)
        return wrong("as many queries as may be are under way; try again when one has ended", "UNAVAILABLE");
    const auto begun = Clock::now();
    bool late = false, ended = false;
    const auto go_on = [&] {
        late = late || Clock::now() - begun > longest_graphql_query;
        return !late && !stopped_.load(std::memory_order_relaxed);
    };
    history::Receiver mine;
    mine.row = [&](std::string_view line) {
        if (!go_on()) return false;
        ended = receiver.row && !receiver.row(line);
        return !ended;
    };
    mine.table = [&](const history::Table& table, bool final) {
        return go_on() && (!receiver.table || receiver.table(table, final));
    };
    mine.progress = [&](const history::Progress& progress) {
        return go_on() && (!receiver.progress || receiver.progress(progress));
    };
    const auto done = history->query(*parsed, mine);
    if (late)
        return wrong(
            fmt::format("the query took more than {} seconds: ask for less time, or over REST, where answers are sent as "
                        "they are found",
                        longest_graphql_query.count()),
            "TOO_LONG");
    if (stopped_) return wrong("nobody waits for the answer any more", "UNAVAILABLE");
    if (!done) return wrong(done.error(), "UNAVAILABLE");
    return *done;
}

GraphqlSource::Result GraphqlSource::directives(std::string_view kind, std::string_view labels) {
    const controller::Directives* directives = state_.services().directives;
    if (!directives) return not_kept(no_controller);
    const auto selector = LabelSelector::parse(labels);
    if (!selector) return wrong("labelSelector: " + selector.error());
    json::array out;
    for (const controller::Stored& stored : directives->list())
        if ((kind.empty() || directive::name_of(stored.directive.kind) == kind) &&
            selector->matches(stored.directive.metadata.labels))
            out.emplace_back(directive_document(stored, state_.services().nodes));
    return out;
}

GraphqlSource::Result GraphqlSource::directive(std::string_view kind, std::string_view name) {
    const controller::Directives* directives = state_.services().directives;
    if (!directives) return not_kept(no_controller);
    const auto stored = directives->find(directive::kind_by_name(kind).value_or(directive::Kind::metadata), name);
    return stored ? json::value(directive_document(*stored, state_.services().nodes)) : json::value(nullptr);
}

GraphqlSource::Result GraphqlSource::nodes(std::string_view labels) {
    const controller::Nodes* nodes = state_.services().nodes;
    if (!nodes) return not_kept(no_controller);
    const auto selector = LabelSelector::parse(labels);
    if (!selector) return wrong("labelSelector: " + selector.error());
    json::array out;
    for (const controller::Node& node : nodes->list())
        if (selector->matches(node.status.labels)) out.emplace_back(node_document(node));
    return out;
}

GraphqlSource::Result GraphqlSource::node(std::string_view name) {
    const controller::Nodes* nodes = state_.services().nodes;
    if (!nodes) return not_kept(no_controller);
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

std::optional<SourceError> GraphqlSource::forbidden(directive::Kind kind, std::string_view action,
                                                    const std::string& object) const {
    const auto needed = kind == directive::Kind::plaintext ? controller::Role::plaintext_operator : controller::Role::operator_;
    if (role_ >= needed) return std::nullopt;
    const std::string reason = fmt::format("needs the role {}", controller::name_of(needed));
    if (controller::Audit* audit = state_.services().audit)
        audit->note({0, who_, std::string(action), object, 0, "refused", reason});
    return SourceError{reason, "FORBIDDEN", {}};
}

GraphqlSource::Result GraphqlSource::apply(std::string_view document, bool dry_run) {
    controller::Directives* directives = state_.services().directives;
    if (!directives) return not_kept(no_controller);
    // Who may change nothing at all is not told what is wrong with the document either.
    if (role_ < controller::Role::operator_) return std::unexpected(*forbidden(directive::Kind::metadata, "apply", "directives"));
    auto parsed = read_documents(document, {}, {directive::Syntax::automatic, state_.services().check_pcap_filter});
    if (!parsed) return std::unexpected(invalid(parsed.error()));
    if (parsed->empty()) return wrong("there is no directive in the document", "INVALID_DIRECTIVE");
    for (const auto& one : *parsed)
        if (auto no = forbidden(one.kind, "apply", directive::identity(one))) return std::unexpected(std::move(*no));
    // First all as a trial: nothing is stored unless all would be.
    json::array out;
    for (const bool trial : {true, false}) {
        if (!trial && dry_run) break;
        out.clear();
        for (const auto& one : *parsed) {
            const auto applied = directives->apply(one, who_, trial, {});
            if (!applied) {
                SourceError error = refused(applied.error());
                error.message = fmt::format("{}: {}", directive::identity(one), error.message);
                if (!trial && !out.empty()) error.message += fmt::format("; {} before it are stored", out.size());
                return std::unexpected(std::move(error));
            }
            out.push_back(json::object{{"change", directive::change_names[static_cast<size_t>(applied->change)]},
                                       {"directive", directive_document(applied->stored, state_.services().nodes)}});
        }
    }
    return out;
}

GraphqlSource::Result GraphqlSource::remove(std::string_view kind_name, std::string_view name) {
    controller::Directives* directives = state_.services().directives;
    if (!directives) return not_kept(no_controller);
    const directive::Kind kind = directive::kind_by_name(kind_name).value_or(directive::Kind::metadata);
    if (auto no = forbidden(kind, "delete", fmt::format("{}/{}", kind_name, name))) return std::unexpected(std::move(*no));
    const auto removed = directives->remove(kind, name, who_, {});
    if (!removed) return std::unexpected(refused(removed.error()));
    return json::value(directive_document(*removed, state_.services().nodes));
}

std::expected<std::unique_ptr<graphql::RecordStream>, SourceError> GraphqlSource::follow(const graphql::FollowText& text,
                                                                                         std::function<void()> wake) {
    sink::Hub* hub = state_.services().hub;
    if (!hub) return not_kept("no live records");
    sink::SubscriptionOptions options;
    options.queue_bytes = state_.options->subscriber_queue_bytes;
    options.wake = std::move(wake);
    if (!text.types.empty()) {
        options.types.reset();
        for (const std::string& name : text.types)
            if (const auto type = record::type_by_name(name)) options.types.set(static_cast<size_t>(*type));
    }
    if (!text.keys.empty()) {
        auto projection = record::Projection::parse(text.keys);
        if (!projection) return wrong(projection.error());
        options.projection = *projection;
    }
    auto filter = filter::Filter::compile(text.filter);
    if (!filter)
        return wrong(fmt::format("filter: column {}: {}", filter.error().column, filter.error().message), "BAD_USER_INPUT",
                     {{"parameter", "filter"}, {"column", filter.error().column}});
    options.types &= filter->possible_types();
    if (!filter->always_true()) options.selector = std::make_unique<FilterSelector>(std::move(*filter));
    const auto& follow = state_.services().follow;
    auto alive = follow ? follow({text.filter, text.types, text.keys, who_}) : nullptr;
    return std::make_unique<HubStream>(*hub, std::move(options), std::move(alive));
}

}  // namespace cvf::api
