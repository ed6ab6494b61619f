#include "history/clickhouse.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <mutex>

#include "history/aggregate.h"
#include "history/clickhouse_schema.h"
#include "history/clickhouse_table.h"
#include "history/sql.h"
#include "http/client.h"
#include "http/target.h"
#include "record/json.h"
#include "record/parse.h"

namespace cvf::history {
namespace {

using record::Field;
using Clock = std::chrono::steady_clock;
constexpr auto expiry_interval = std::chrono::minutes(10);
constexpr size_t longest_line = 4 * 1024 * 1024;

bool is_word(std::string_view text) {
    return !text.empty() && text.size() <= 64 && std::ranges::all_of(text, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    });
}

// One line, nothing a terminal obeys, not without end.
std::string shown(std::string_view text) {
    std::string line(text.substr(0, std::min(text.find('\n'), size_t{400})));
    std::ranges::replace_if(line, [](char c) { return static_cast<unsigned char>(c) < ' ' || c == 0x7f; }, '?');
    return line;
}

class ClickHouse final : public History {
 public:
    explicit ClickHouse(ClickHouseOptions options) : options_(std::move(options)) {
        if (!options_.complain) options_.complain = sink::complain_on_stderr;
    }
    ~ClickHouse() override { ClickHouse::flush(); }

    std::expected<void, std::string> open() {
        if (!is_word(options_.database) || !is_word(options_.table))
            return std::unexpected("the names of database and table must be letters, digits and '_'");
        table_ = options_.database + "." + options_.table;
        const auto version = ask("SELECT version() FORMAT TabSeparatedRaw");
        if (!version) return std::unexpected(version.error());
        const char* end = version->data() + version->size();
        const auto [dot, bad] = std::from_chars(version->data(), end, version_.major);
        if (bad != std::errc{} || dot == end)
            return std::unexpected(fmt::format("{}: this is no ClickHouse server", options_.server));
        std::from_chars(dot + 1, end, version_.minor);
        for (const std::string& sql : {fmt::format("CREATE DATABASE IF NOT EXISTS {}", options_.database),
                                       create_table(table_, version_, options_.max_age)})
            if (const auto done = ask(sql, true); !done) return std::unexpected(done.error());
        return add_columns();
    }

    void write(std::string_view lines) override {
        while (!lines.empty()) {
            const size_t end = std::min(lines.find('\n'), lines.size() - 1) + 1;
            std::string_view line = lines.substr(0, end);
            lines.remove_prefix(end);
            if (line.ends_with('\n')) line.remove_suffix(1);
            if (!record::parse_record(line, record_)) {
                refused_.fetch_add(1, std::memory_order_relaxed);
                continue;
            }
            if (batch_.size() + line.size() > options_.pending_bytes) {
                lost_.fetch_add(1, std::memory_order_relaxed);
                continue;
            }
            if (batched_ == 0) since_ = Clock::now();
            write_row(record_, line, batch_);
            ++batched_;
        }
        if (batch_.size() >= options_.batch_bytes) tick();
    }

    void tick() override {
        if (batched_ > 0 && Clock::now() >= retry_at_ &&
            (batch_.size() >= options_.batch_bytes || Clock::now() - since_ >= options_.flush_interval))
            send();
        if (!version_.has_ttl() && Clock::now() >= expire_at_) expire();
    }

    void flush() override {
        if (batched_ > 0 && !send()) {
            lost_.fetch_add(batched_, std::memory_order_relaxed);
            batch_.clear();
            batched_ = 0;
        }
    }

    std::expected<Progress, std::string> query(const Query& query, const Receiver& receiver) const override {
        const SqlFilter filter = sql_filter(query);
        if (!query.aggregates()) return rows(query, filter, receiver);
        return filter.rest.empty() ? groups(query, filter, receiver) : groups_here(query, filter, receiver);
    }

    Stats counters() const override {
        Stats stats;
        stats.written = written_.load(std::memory_order_relaxed);
        stats.lost = lost_.load(std::memory_order_relaxed);
        stats.refused = refused_.load(std::memory_order_relaxed);
        const std::lock_guard guard(mutex_);
        stats.last_error = last_error_;
        return stats;
    }

    void interrupt() override { interrupted_.store(true, std::memory_order_relaxed); }

    Stats stats() const override {
        Stats stats = counters();
        const auto kept = ask(fmt::format("SELECT count(), min(timestamp), max(timestamp) FROM {} FORMAT TabSeparated", table_));
        if (!kept) return stats;
        const char* at = kept->data();
        const char* end = at + kept->size();
        at = std::from_chars(at, end, stats.records).ptr;
        if (at < end) at = std::from_chars(at + 1, end, stats.first).ptr;
        if (at < end) std::from_chars(at + 1, end, stats.last);
        if (stats.records == 0) stats.first = stats.last = 0;
        return stats;
    }

 private:
    http::Request request(std::string body, bool change, std::string_view insert = {}) const {
        http::Request r;
        r.method = "POST";
        r.target = "/?";
        if (!insert.empty()) r.target += "query=" + http::encode_component(insert) + "&";
        // Reading cannot change anything, whatever the text became. A newer server stops when nobody listens any more.
        r.target += change               ? "input_format_skip_unknown_fields=1"
                    : version_.has_ttl() ? "readonly=2&cancel_http_readonly_queries_on_client_close=1"
                                         : "readonly=2";
        if (!options_.user.empty()) r.headers.push_back({"X-ClickHouse-User", options_.user});
        if (!options_.password.empty()) r.headers.push_back({"X-ClickHouse-Key", options_.password});
        r.body = std::move(body);
        return r;
    }

    std::unexpected<std::string> failed(std::string_view what) const {
        return std::unexpected(fmt::format("{}: {}", options_.server, shown(what)));
    }

    // The writer's: interrupt() ends it.
    std::expected<http::Response, http::Error> exchange(const http::Request& request) const {
        http::Limits limits;
        limits.timeout = limits.idle = options_.timeout;
        std::string body;
        auto response = http::stream(
            options_.server, request,
            [&](std::string_view piece) {
                body.append(piece);
                return body.size() < longest_line;
            },
            &interrupted_, limits);
        if (response && response->body.empty()) response->body = std::move(body);
        return response;
    }

    std::expected<std::string, std::string> ask(std::string sql, bool change = false, bool writer = false) const {
        http::Limits limits;
        limits.timeout = options_.timeout;
        limits.body_bytes = 256 * 1024 * 1024;
        const http::Request asked = request(std::move(sql), change);
        auto response = writer ? exchange(asked) : http::fetch(options_.server, asked, limits);
        if (!response) return std::unexpected(response.error().text);
        if (response->status != 200) return failed(response->body);
        return std::move(response->body);
    }

    // Lines of a raw answer as they come; false from `use` ends it.
    std::expected<void, std::string> each_line(std::string sql, const std::function<bool(std::string_view)>& use) const {
        std::string left;
        bool good = true;
        http::Limits limits;
        limits.timeout = limits.idle = options_.timeout;
        const auto response = http::stream(
            options_.server, request(std::move(sql), false),
            [&](std::string_view piece) {
                size_t at = 0;
                while (at < piece.size()) {
                    const size_t end = piece.find('\n', at);
                    if (end == std::string_view::npos) {
                        left.append(piece.substr(at));
                        return good = left.size() <= longest_line;
                    }
                    std::string_view line = piece.substr(at, end - at);
                    if (!left.empty()) line = left.append(line);
                    const bool more = use(line);
                    left.clear();
                    if (!more) return false;
                    at = end + 1;
                }
                return true;
            },
            nullptr, limits);
        if (!response) return std::unexpected(response.error().text);
        if (response->status != 200) return failed(response->body);
        if (!good) return failed("a line of the answer is too long");
        // A server that fails half-way says so in place of a record.
        if (!left.empty() && !left.starts_with('{')) return failed(left);
        return {};
    }

    std::expected<void, std::string> add_columns() {
        const auto there =
            ask(fmt::format("SELECT name FROM system.columns WHERE database = '{}' AND table = '{}' FORMAT TabSeparated",
                            options_.database, options_.table));
        if (!there) return std::unexpected(there.error());
        const std::string known = "\n" + *there;
        std::string missing;
        for (const SqlColumn& c : sql_columns(version_))
            if (!known.contains("\n" + c.name + "\n"))
                missing += fmt::format("{} ADD COLUMN {} {}", missing.empty() ? "" : ",", c.name, c.type);
        std::vector<std::string> changes;
        if (!missing.empty()) changes.push_back(fmt::format("ALTER TABLE {}{}", table_, missing));
        if (version_.has_ttl())
            changes.push_back(
                fmt::format("ALTER TABLE {} MODIFY TTL time + INTERVAL {} SECOND", table_, options_.max_age.count()));
        for (const std::string& sql : changes)
            if (const auto done = ask(sql, true); !done) return std::unexpected(done.error());
        return {};
    }

    bool send() {
        const auto response =
            exchange(request(std::string(batch_.view()), true, fmt::format("INSERT INTO {} FORMAT JSONEachRow", table_)));
        if (response && response->status == 200) {
            written_.fetch_add(batched_, std::memory_order_relaxed);
            batch_.clear();
            batched_ = 0;
            const std::lock_guard guard(mutex_);
            last_error_.clear();
            return true;
        }
        const std::string why = response ? fmt::format("{}: {}", options_.server, shown(response->body)) : response.error().text;
        retry_at_ = Clock::now() + options_.flush_interval;
        const std::lock_guard guard(mutex_);
        if (last_error_.empty()) options_.complain(why + "; records wait, and are counted as lost when there are too many");
        last_error_ = why;
        return false;
    }

    // Days whose last second is over the age.
    void expire() {
        expire_at_ = Clock::now() + expiry_interval;
        const auto days =
            ask(fmt::format("SELECT partition FROM system.parts WHERE database = '{}' AND table = '{}' AND active GROUP BY "
                            "partition HAVING max(max_date) < toDate(now() - {}) FORMAT TabSeparated",
                            options_.database, options_.table, options_.max_age.count() + 86'400),
                false, true);
        if (!days) return;
        for (size_t at = 0; at < days->size();) {
            const size_t end = std::min(days->find('\n', at), days->size());
            std::string day = days->substr(at, end - at);
            at = end + 1;
            std::erase_if(day, [](char c) { return c != '-' && (c < '0' || c > '9'); });
            if (!day.empty()) (void)ask(fmt::format("ALTER TABLE {} DROP PARTITION '{}'", table_, day), true, true);
        }
    }

    std::string order(const Query& query) const {
        return query.newest_first ? "timestamp DESC, ifNull(record_id, '') DESC" : "timestamp, ifNull(record_id, '')";
    }

    std::expected<Progress, std::string> rows(const Query& query, const SqlFilter& filter, const Receiver& receiver) const {
        std::string where = filter.where;
        if (query.after)
            where += fmt::format(" AND (timestamp {0} {1} OR (timestamp = {1} AND ifNull(record_id, '') {0} {2}))",
                                 query.newest_first ? "<" : ">", query.after->time, sql_text(query.after->id));
        std::string sql = fmt::format("SELECT line FROM {} WHERE {} ORDER BY {}", table_, where, order(query));
        if (query.limit && filter.rest.empty()) sql += fmt::format(" LIMIT {}", query.limit);
        Progress progress;
        record::Record record;
        record::Buffer projected;
        const auto done = each_line(sql + " FORMAT TabSeparatedRaw", [&](std::string_view line) {
            ++progress.examined;
            if (!filter.rest.empty() || query.fields) {
                if (!record::parse_record(line, record)) return ++progress.damaged, true;
                if (!filter.matches_rest(record)) return !receiver.progress || receiver.progress(progress);
            }
            ++progress.matched;
            if (query.fields) {
                projected.clear();
                record::write_json(record, &*query.fields, projected);
                line = projected.view().substr(0, projected.size() - 1);
            }
            if (receiver.row && !receiver.row(line)) return false;
            return query.limit == 0 || progress.matched < query.limit;
        });
        if (!done) return std::unexpected(done.error());
        progress.total = progress.examined;
        return progress;
    }

    // Groups counted here, from the records, for what the server cannot ask.
    std::expected<Progress, std::string> groups_here(const Query& query, const SqlFilter& filter,
                                                     const Receiver& receiver) const {
        Progress progress;
        Aggregate groups(query);
        record::Record record;
        const auto done = each_line(fmt::format("SELECT line FROM {} WHERE {} FORMAT TabSeparatedRaw", table_, filter.where),
                                    [&](std::string_view line) {
                                        ++progress.examined;
                                        if (!record::parse_record(line, record)) return ++progress.damaged, true;
                                        if (filter.matches_rest(record)) ++progress.matched, groups.add(record);
                                        return !receiver.progress || progress.examined % 4096 != 0 || receiver.progress(progress);
                                    });
        if (!done) return std::unexpected(done.error());
        progress.total = progress.examined;
        if (receiver.table) receiver.table(groups.table(), true);
        return progress;
    }

    std::expected<std::vector<std::vector<Cell>>, std::string> fetch(const Query& query, std::string sql, bool stretches) const {
        const auto answer = ask(std::move(sql));
        if (!answer) return std::unexpected(answer.error());
        std::vector<std::vector<Cell>> rows;
        for (size_t at = 0; at < answer->size();) {
            const size_t end = std::min(answer->find('\n', at), answer->size());
            rows.push_back(cells_of(query, std::string_view(*answer).substr(at, end - at), stretches));
            if (rows.back().empty()) return failed("the answer is not what was asked for");
            at = end + 1;
        }
        return rows;
    }

    std::expected<Progress, std::string> groups(const Query& query, const SqlFilter& filter, const Receiver& receiver) const {
        Table table;
        if (query.every) table.columns.emplace_back("time");
        for (const Field f : query.by) table.columns.emplace_back(record::info(f).key);
        for (const Measure& m : query.measures) table.columns.push_back(m.name());
        const size_t most = query.top ? query.top : query.limit;
        std::string restriction;
        std::vector<std::vector<Cell>> top;
        if (query.top && query.every) {
            auto best = fetch(query, groups_sql(query, table_, filter.where, "", false, most), false);
            if (!best) return std::unexpected(best.error());
            top = std::move(*best);
            restriction = in_groups(query, top);
        }
        const size_t limit = query.top && !query.every ? std::min(query.top, query.limit) : query.limit;
        auto rows =
            fetch(query, groups_sql(query, table_, filter.where, restriction, query.every != 0, limit + 1), query.every != 0);
        if (!rows) return std::unexpected(rows.error());
        if (!top.empty()) {
            // Within a stretch by the rank over the whole time.
            const auto rank = [&](const std::vector<Cell>& row) {
                return std::ranges::find_if(top,
                                            [&](const std::vector<Cell>& t) {
                                                return std::equal(t.begin(), t.begin() + static_cast<ptrdiff_t>(query.by.size()),
                                                                  row.begin() + 1);
                                            }) -
                       top.begin();
            };
            std::ranges::sort(*rows,
                              [&](const auto& a, const auto& b) { return a[0] != b[0] ? a[0] < b[0] : rank(a) < rank(b); });
        }
        if (rows->size() > limit) {
            table.more = !query.top || limit < query.top || query.every;
            rows->resize(limit);
        }
        table.rows = std::move(*rows);
        if (receiver.table) receiver.table(table, true);
        return Progress{};
    }

    ClickHouseOptions options_;
    std::string table_;
    ServerVersion version_;

    // The writer's own.
    record::Record record_;
    record::Buffer batch_;
    uint64_t batched_ = 0;
    Clock::time_point since_{}, retry_at_{}, expire_at_{};

    std::atomic<uint64_t> written_{0}, lost_{0}, refused_{0};
    std::atomic<bool> interrupted_{false};
    mutable std::mutex mutex_;
    std::string last_error_;
};

}  // namespace

std::expected<std::unique_ptr<History>, std::string> open_clickhouse(ClickHouseOptions options) {
    auto store = std::make_unique<ClickHouse>(std::move(options));
    if (const auto opened = store->open(); !opened) return std::unexpected(opened.error());
    return store;
}

}  // namespace cvf::history
