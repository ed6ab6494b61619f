// What a query must give, counted the plain way over all records: the judge of the embedded store and of ClickHouse.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "history/history.h"
#include "history_records.h"
#include "record/parse.h"
#include "record/text.h"

namespace cvf::history {

inline std::string shown(const Cell& cell) {
    if (const auto* text = std::get_if<std::string>(&cell)) return "\"" + *text + "\"";
    if (const auto* flag = std::get_if<bool>(&cell)) return *flag ? "true" : "false";
    if (const auto* u = std::get_if<uint64_t>(&cell)) return fmt::format("{}", *u);
    if (const auto* s = std::get_if<int64_t>(&cell)) return fmt::format("{}", *s);
    if (const auto* r = std::get_if<double>(&cell)) return fmt::format("{:.9g}", *r);
    return "null";
}

// The answer as lines of text, so that a difference can be read.
inline std::vector<std::string> answer(const History& history, const Query& query) {
    std::vector<std::string> lines;
    Receiver receiver;
    receiver.row = [&](std::string_view line) { return lines.emplace_back(line), true; };
    receiver.table = [&](const Table& table, bool final) {
        if (!final) return true;
        for (const auto& row : table.rows) {
            std::string text;
            for (const Cell& cell : row) text += shown(cell) + " ";
            lines.push_back(text);
        }
        return true;
    };
    const auto progress = history.query(query, receiver);
    if (!progress) lines.push_back("failed: " + progress.error());
    return lines;
}

class Reference {
 public:
    void add(std::string_view lines) {
        while (!lines.empty()) {
            const size_t end = lines.find('\n');
            lines_.push_back({std::string(lines.substr(0, end)), std::make_unique<record::Record>()});
            EXPECT_TRUE(record::parse_record(lines_.back().first, *lines_.back().second)) << lines_.back().first;
            lines.remove_prefix(end + 1);
        }
    }

    std::vector<std::string> answer(const Query& q) const {
        std::vector<Hit> hits;
        for (const auto& [line, parsed] : lines_) {
            const record::Record& r = *parsed;
            if (r.timestamp() < q.since || r.timestamp() >= q.until || !q.types[static_cast<size_t>(r.type())] ||
                !q.filter->matches(r))
                continue;
            const auto* id = r.lookup(record::Field::record_id);
            Hit hit{{r.timestamp(), id ? std::string(id->as_text()) : ""}, line, {}, {}};
            if (q.fields) {
                record::Buffer out;
                record::write_json(r, &*q.fields, out);
                hit.line = out.view().substr(0, out.size() - 1);
            }
            if (q.every) hit.stretch = r.timestamp() - (r.timestamp() % q.every + q.every) % q.every;
            for (const record::Field f : q.by) hit.keys.push_back(key_of(r, f));
            for (const Measure& m : q.measures) hit.numbers.push_back(number_of(r, m));
            hits.push_back(std::move(hit));
        }
        return q.aggregates() ? groups(q, hits) : rows(q, hits);
    }

 private:
    using Real = std::optional<long double>;
    struct Hit {
        Position position;
        std::string line;
        std::vector<std::string> keys;
        std::vector<Real> numbers;
        int64_t stretch = 0;
    };
    struct Group {
        std::vector<std::string> keys;
        int64_t stretch = 0;
        uint64_t count = 0;
        std::vector<std::vector<long double>> numbers;
    };
    using Groups = std::map<std::pair<int64_t, std::vector<std::string>>, Group>;

    static std::string key_of(const record::Record& r, record::Field f) {
        const auto* v = r.lookup(f);
        if (!v) return "null";
        // As JSON has it.
        record::Record one;
        one.begin(r.type(), 0);
        record::Buffer out;
        std::string_view all;
        record::write_json(r, nullptr, out);
        all = out.view();
        const std::string key = fmt::format("\"{}\":", record::info(f).key);
        const size_t at = all.find(key) + key.size();
        if (v->kind == record::Kind::text) return "\"" + std::string(v->as_text()) + "\"";
        return std::string(all.substr(at, all.find_first_of(",}", at) - at));
    }
    static Real number_of(const record::Record& r, const Measure& m) {
        if (!m.field) return 0;
        const auto* v = r.lookup(*m.field);
        if (!v) return std::nullopt;
        return v->kind == record::Kind::uint   ? static_cast<long double>(v->uint)
               : v->kind == record::Kind::real ? static_cast<long double>(v->real)
                                               : static_cast<long double>(v->sint);
    }

    static std::vector<std::string> rows(const Query& q, std::vector<Hit>& hits) {
        const auto before = [&](const Position& a, const Position& b) { return q.newest_first ? b < a : a < b; };
        std::ranges::sort(hits, [&](const Hit& a, const Hit& b) { return before(a.position, b.position); });
        std::vector<std::string> lines;
        for (const Hit& hit : hits)
            if ((!q.after || before(*q.after, hit.position)) && (q.limit == 0 || lines.size() < q.limit))
                lines.push_back(hit.line);
        return lines;
    }

    static Real value_of(const Group& g, const Measure& m, size_t i) {
        if (m.function == Function::count) return static_cast<long double>(g.count);
        auto numbers = g.numbers[i];
        if (numbers.empty()) return std::nullopt;
        std::ranges::sort(numbers);
        long double sum = 0;
        for (const auto n : numbers) sum += n;
        switch (m.function) {
            case Function::sum:
                return sum;
            case Function::avg:
                return sum / static_cast<long double>(numbers.size());
            case Function::min:
                return numbers.front();
            case Function::max:
                return numbers.back();
            default:
                return numbers[static_cast<size_t>(quantile_of(m.function) * static_cast<double>(numbers.size()))];
        }
    }
    static std::string text_of(const Measure& m, Real value) {
        if (!value) return "null";
        const auto kind = m.field ? record::info(*m.field).kind : record::Kind::uint;
        char text[40];
        if (kind == record::Kind::time)
            return "\"" + std::string(text, record::write_time(text, static_cast<int64_t>(*value))) + "\"";
        if (m.function == Function::avg || kind == record::Kind::real) return fmt::format("{:.9g}", static_cast<double>(*value));
        return fmt::format("{}", static_cast<int64_t>(*value));
    }

    static Groups collect(const Query& q, const std::vector<Hit>& hits, bool stretches) {
        Groups groups;
        for (const Hit& hit : hits) {
            Group& g = groups[{stretches ? hit.stretch : 0, hit.keys}];
            g.keys = hit.keys;
            g.stretch = hit.stretch;
            ++g.count;
            g.numbers.resize(q.measures.size());
            for (size_t i = 0; i < q.measures.size(); ++i)
                if (hit.numbers[i]) g.numbers[i].push_back(*hit.numbers[i]);
        }
        return groups;
    }
    // By the first measure, largest first, then by keys; numbers by size, what is missing last.
    static bool key_before(const std::string& a, const std::string& b) {
        if ((a == "null") != (b == "null")) return b == "null";
        if (!a.empty() && a[0] >= '0' && a[0] <= '9') return std::stoull(a) < std::stoull(b);
        return a < b;
    }
    static std::vector<const Group*> ranked(const Query& q, const Groups& groups) {
        std::vector<std::pair<Real, const Group*>> all;
        for (const auto& [key, g] : groups) all.emplace_back(value_of(g, q.measures[0], 0), &g);
        std::ranges::sort(all, [](const auto& a, const auto& b) {
            if (a.first != b.first) return b.first ? a.first && *a.first > *b.first : a.first.has_value();
            for (size_t k = 0; k < a.second->keys.size(); ++k)
                if (a.second->keys[k] != b.second->keys[k]) return key_before(a.second->keys[k], b.second->keys[k]);
            return a.second->stretch < b.second->stretch;
        });
        std::vector<const Group*> out;
        for (const auto& [value, g] : all) out.push_back(g);
        return out;
    }

    static std::vector<std::string> groups(const Query& q, const std::vector<Hit>& hits) {
        Groups cells = collect(q, hits, q.every != 0);
        if (cells.empty() && q.by.empty() && !q.every) cells[{}].numbers.resize(q.measures.size());
        std::vector<const Group*> order = ranked(q, cells);
        if (q.top && q.every) {
            const Groups totals = collect(q, hits, false);
            auto best = ranked(q, totals);
            best.resize(std::min(best.size(), q.top));
            const auto rank = [&](const Group* g) {
                return std::ranges::find_if(best, [&](const Group* t) { return t->keys == g->keys; }) - best.begin();
            };
            std::erase_if(order, [&](const Group* g) { return rank(g) == static_cast<ptrdiff_t>(best.size()); });
            std::ranges::sort(order, [&](const Group* a, const Group* b) {
                return a->stretch != b->stretch ? a->stretch < b->stretch : rank(a) < rank(b);
            });
        } else if (q.every) {
            std::vector<std::pair<std::pair<int64_t, size_t>, const Group*>> by_time;
            for (size_t i = 0; i < order.size(); ++i) by_time.push_back({{order[i]->stretch, i}, order[i]});
            std::ranges::sort(by_time);
            for (size_t i = 0; i < order.size(); ++i) order[i] = by_time[i].second;
        }
        const size_t most = q.top && !q.every ? std::min(q.top, q.limit) : q.limit;
        order.resize(std::min(order.size(), most));
        std::vector<std::string> lines;
        for (const Group* g : order) {
            std::string line;
            char text[40];
            if (q.every) line += "\"" + std::string(text, record::write_time(text, g->stretch)) + "\" ";
            for (const std::string& key : g->keys) line += key + " ";
            for (size_t i = 0; i < q.measures.size(); ++i) line += text_of(q.measures[i], value_of(*g, q.measures[i], i)) + " ";
            lines.push_back(line);
        }
        return lines;
    }

    std::vector<std::pair<std::string, std::unique_ptr<record::Record>>> lines_;
};

// Questions of every shape: each way a store can take must give what counting gives.
inline std::vector<QueryText> questions() {
    std::vector<QueryText> all;
    static const char* const filters[] = {
        "",
        "true",
        "false",
        "source.port == 1030",
        "source.port != 1030",
        "source.port > 1040 || destination.port == 53",
        "!(source.port > 1040)",
        "!(source.port > 1040 || destination.port == 53)",
        "!(source.port > 1040 && event.duration < 1000)",
        "source.port in [1030, 1031, 1032]",
        "!(source.port in [1030, 1031])",
        "source.k8s.pod.name == \"pod-3\"",
        "source.k8s.pod.name != \"pod-3\"",
        "source.k8s.pod.name in [\"pod-1\", \"pod-2\"] && destination.port == 443",
        "source.k8s.pod.name.startsWith(\"pod-\") && !source.k8s.pod.name.endsWith(\"4\")",
        "source.k8s.pod.name > \"pod-5\"",
        "source.k8s.pod.name.matches(\"[12]$\")",
        "user_agent.original.matches(\"(?i)MOZ.*%\")",
        "!user_agent.original.contains(\"curl\")",
        "user_agent.original == \"Mozilla/5.0 (X'; \\\\ %)\"",
        "has(source.k8s.pod.name)",
        "!has(source.k8s.pod.name)",
        "has(dns.answers)",
        "!has(dns.answers)",
        "!has(error.type) && record.type != \"event\"",
        "record.type == \"http\" || record.type == \"dns\"",
        "record.type in [\"flow\", \"dns\"]",
        "!(record.type in [\"flow\", \"dns\"])",
        "http.response.status_code >= 500",
        "record.type == \"http\" ? http.response.status_code == 503 : destination.port == 53",
        "flow.id == \"f17\"",
        "flow.id != \"f17\" && flow.id == \"nowhere\"",
        "network.community_id == \"x\"",
        "source.address == \"10.0.1.2\"",
        "destination.address == \"2001:DB8:0::3\"",
        "cidr(\"10.0.1.0/24\").containsIP(source.address)",
        "!cidr(\"10.0.1.0/30\").containsIP(source.address)",
        "cidr(\"2001:db8::/126\").containsIP(destination.address)",
        "!cidr(\"10.0.0.0/23\").containsIP(destination.address)",
        "cidr(\"0.0.0.0/0\").containsIP(destination.address)",
        "ip(destination.address).family() == 6",
        "source.address == destination.address",
        "source.address.startsWith(\"10.0.2.\")",
        "event.duration > duration(\"500ms\")",
        "event.duration / 1000 % 7 == 3",
        "cvf.clock.step < 0",
        "cvf.clock.step >= -9223372036854775808",
        "cvf.truncated",
        "!cvf.truncated",
        "\"10.0.0.1\" in dns.answers",
        "!(\"10.0.0.1\" in dns.answers)",
        "\"nothing\" in dns.answers",
        "dns.answers.exists(a, a.startsWith(\"x.\"))",
        "dns.answers.exists(a, a.startsWith(\"y.\"))",
        "!dns.answers.exists(a, a.startsWith(\"y.\"))",
        "dns.answers.all(a, a.contains(\".\"))",
        "!dns.answers.all(a, a.contains(\"x\"))",
        "dns.answers.exists_one(a, a == \"x.example\")",
        "size(dns.answers) == 2",
        "size(dns.question.name) > 13",
        "source.container.label[\"app\"] == \"cart\"",
        "!(source.container.label[\"app\"] == \"cart\")",
        "source.container.label[\"nothing\"] != \"cart\"",
        "\"a.b/c\" in source.container.label",
        "!(\"zzz\" in source.container.label)",
        "source.process.executable.name.contains(\"\\\"q\\\"\")",
        "source.process.executable.name.contains(\"\\\\xff\")",
        "timestamp > timestamp(\"2026-05-28T20:26:42Z\")",
        "timestamp < timestamp(\"2026-05-28T20:26:42Z\") && record.type == \"dns\"",
    };
    for (const char* filter : filters) {
        all.push_back({.filter = filter, .limit = "0"});
        all.push_back({.filter = filter, .measures = {"count"}});
        all.push_back({.filter = filter, .by = {"source.k8s.pod.name"}, .measures = {"count", "sum network.bytes"}, .top = "4"});
    }
    const char* const times[][2] = {
        {"2026-05-28T20:26:41Z", ""}, {"", "2026-05-28T20:26:42.5Z"}, {"2026-05-28T20:26:41.1Z", "2026-05-28T20:26:41.2Z"}};
    for (const auto& [since, until] : times) {
        all.push_back({.since = since, .until = until, .limit = "7"});
        all.push_back({.since = since, .until = until, .limit = "0", .order = "oldest"});
        all.push_back({.since = since, .until = until, .by = {"record.type"}});
    }
    all.push_back({.types = {"dns", "flow"}, .fields = {"source.*", "dns.question.name"}, .limit = "20"});
    all.push_back({.fields = {"@timestamp"}, .limit = "0", .order = "oldest"});
    all.push_back({.limit = "50", .after = Position{Made::time(300), "r300"}.text()});
    all.push_back(
        {.filter = "has(dns.answers)", .limit = "50", .order = "oldest", .after = Position{Made::time(301), "r301"}.text()});
    const std::vector<std::string> keys[] = {{"source.address"},
                                             {"destination.address", "destination.port"},
                                             {"source.port"},
                                             {"record.type", "source.k8s.pod.name", "http.response.status_code"},
                                             {"cvf.truncated"},
                                             {"user_agent.original"},
                                             {"source.process.executable.name"},
                                             {"cvf.http.sequence"}};
    for (const auto& by : keys) {
        all.push_back({.by = by});
        all.push_back({.by = by,
                       .measures = {"sum event.duration", "avg event.duration", "min event.duration", "max event.duration"},
                       .top = "5"});
        all.push_back({.filter = "destination.port == 443",
                       .by = by,
                       .measures = {"p50 event.duration", "p95 event.duration", "p99 event.duration", "count"}});
        all.push_back({.by = by, .every = "1s"});
        all.push_back({.by = by, .measures = {"max network.bytes", "count"}, .top = "3", .every = "700ms"});
        all.push_back({.by = by, .limit = "4"});
    }
    all.push_back({.measures = {"sum cvf.clock.step", "min cvf.clock.step", "max cvf.clock.step", "avg cvf.clock.step",
                                "p50 cvf.clock.step"}});
    all.push_back({.measures = {"min @timestamp", "max @timestamp", "count"}});
    all.push_back({.filter = "false", .measures = {"count", "max source.port", "max @timestamp"}});
    all.push_back({.filter = "user_agent.original.startsWith(\"curl\")", .every = "2s"});
    return all;
}

inline std::string described(const QueryText& t) {
    return fmt::format(
        "filter '{}' since '{}' until '{}' types {} fields {} by {} measures {} top '{}' every '{}' limit '{}' order '{}' after "
        "'{}'",
        t.filter, t.since, t.until, fmt::join(t.types, ","), fmt::join(t.fields, ","), fmt::join(t.by, ","),
        fmt::join(t.measures, ","), t.top, t.every, t.limit, t.order, t.after);
}

inline void expect_same(const History& history, const Reference& reference, const QueryText& text) {
    const auto query = parse_query(text, Made::start);
    ASSERT_TRUE(query) << described(text) << "\n" << query.error().show();
    EXPECT_EQ(answer(history, *query), reference.answer(*query)) << described(text);
}

}  // namespace cvf::history
