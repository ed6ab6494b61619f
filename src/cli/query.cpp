// `cvf query`: the records that are kept.
#include <fmt/format.h>
#include <unistd.h>

#include <boost/json.hpp>

#include "cli/columns.h"
#include "cli/commands.h"
#include "cli/management.h"
#include "cli/output.h"
#include "cli/say.h"
#include "cli/serve.h"
#include "cli/signals.h"
#include "record/parse.h"
#include "sink/units.h"

namespace cvf::cli {

namespace {

// Groups as a table; the first row says which columns there are.
class Groups {
 public:
    void add(std::string_view row) {
        boost::system::error_code error;
        const boost::json::value value = boost::json::parse(row, error);
        if (error || !value.is_object()) return;
        std::vector<std::string> header, cells;
        for (const auto& [key, cell] : value.get_object()) {
            header.emplace_back(key);
            cells.push_back(cell.is_null()     ? "-"
                            : cell.is_string() ? std::string(cell.get_string())
                                               : boost::json::serialize(cell));
        }
        if (!columns_) columns_.emplace(std::move(header));
        columns_->add(std::move(cells));
    }
    void print() {
        if (columns_) columns_->print();
    }

 private:
    std::optional<Columns> columns_;
};

}  // namespace

int run_query(const config::Settings& settings, const Question& question) {
    const auto asked = with_expression(settings, question.expression);
    if (!asked) return complain_use("query", asked.error());
    stop_on_signals();
    std::vector<std::pair<std::string, std::string>> parameters;
    const auto give = [&](const char* name, std::string value) {
        if (!value.empty()) parameters.emplace_back(name, std::move(value));
    };
    give("filter", asked->filter);
    give("types", fmt::format("{}", fmt::join(settings.types, ",")));
    give("fields", fmt::format("{}", fmt::join(settings.fields, ",")));
    give("since", question.since);
    give("until", question.until);
    give("by", fmt::format("{}", fmt::join(question.by, ",")));
    give("every", question.every);
    if (question.limit) give("limit", std::to_string(question.limit));
    if (question.top) give("top", std::to_string(question.top));
    if (question.count) give("count", "true");
    for (const auto& [function, field] : question.functions) parameters.emplace_back(function, field);
    // As the server decides it (history/query.h): whoever groups without a measure counts.
    const bool groups =
        question.count || !question.functions.empty() || !question.by.empty() || question.top > 0 || !question.every.empty();

    const bool table = wants_table(settings);
    Groups grouped;
    std::unique_ptr<pipeline::Outlet> outlet;
    record::Record record;
    uint64_t not_understood = 0;
    config::Settings shown = settings;
    shown.filter.clear();
    if (table && !groups) {
        auto made = make_outlet(shown, From::agent);
        if (!made) return complain_use("query", made.error());
        outlet = std::move(*made);
    }
    const bool progress = !settings.quiet && isatty(STDERR_FILENO);
    const api::Client client(client_options(settings));
    auto done = client.query(
        parameters,
        [&](std::string_view row) {
            if (!table) {
                if (std::fwrite(row.data(), 1, row.size(), stdout) != row.size() || std::fputc('\n', stdout) == EOF) return false;
            } else if (groups) {
                grouped.add(row);
            } else if (record::parse_record(row, record)) {
                outlet->emit(record);
            } else {
                ++not_understood;
            }
            return !stopping;
        },
        [&](const api::Client::Progress& p) {
            if (progress && p.total > 0)
                say("\r\x1b[K{:3.0f} %  {} records looked at, {} match",
                    100.0 * static_cast<double>(p.examined) / static_cast<double>(p.total), sink::show_count(p.examined),
                    sink::show_count(p.matched));
        });
    if (progress) say("\r\x1b[K");
    if (outlet) outlet->finish();
    if (groups) grouped.print();
    if (!done) return stopping ? exit_done : complain("query", done.error());
    if (std::fflush(stdout) != 0) return exit_failed;
    if (not_understood > 0) {
        say("cvf query: {} rows are not understood; --format json shows them\n", not_understood);
        return exit_failed;
    }
    if (done->damaged > 0) say("cvf query: {} records could not be read\n", done->damaged);
    if (done->left_out > 0) say("cvf query: {} records were in groups for which there was no room\n", done->left_out);
    if (!done->next.empty() && table && !settings.quiet) say("there are more; --limit shows more of them\n");
    return exit_done;
}

}  // namespace cvf::cli
