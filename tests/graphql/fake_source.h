// A Source with a handful of records, directives and nodes in it, for tests: what it answers can be worked out by hand.
#pragma once

#include <algorithm>
#include <boost/json.hpp>
#include <deque>
#include <string>
#include <vector>

#include "filter/literal.h"
#include "graphql/source.h"

namespace cvf::graphql {

namespace fake {

namespace json = boost::json;

inline json::array records() {
    json::array out;
    for (int i = 0; i < 6; ++i) {
        const std::string n = std::to_string(i);
        json::object record{{"@timestamp", "2026-01-02T03:04:0" + n + ".000000000Z"},
                            {"record.id", "r" + n},
                            {"flow.id", "f" + n},
                            {"host.name", i % 2 ? "node-a" : "node-b"},
                            {"source.address", "10.0.0." + n},
                            {"source.port", 40000 + i}};
        if (i % 3 == 0) {
            record["record.type"] = "http";
            record["http.request.method"] = "GET";
            record["http.response.status_code"] = 200 + i;
            record["url.path"] = "/ä/" + n;
        } else if (i % 3 == 1) {
            record["record.type"] = "dns";
            record["dns.question.name"] = "example.org";
            record["dns.resolved_ip"] = json::array{"192.0.2.1", "2001:db8::1"};
        } else {
            record["record.type"] = "flow";
            record["source.bytes"] = 1000 * i;
        }
        out.push_back(std::move(record));
    }
    return out;
}

inline json::array directives() {
    json::array out;
    for (const char* name : {"a", "b", "c"}) {
        json::object status{
            {"revision", 3},
            {"summary", "1 active of 1 agent"},
            {"settled", true},
            {"good", true},
            {"agents", 1},
            {"behind", 0},
            {"states", {{"active", 1}}},
            {"reasons", json::object{}},
            {"matched", 5},
            {"sent", 4},
            {"bytes", 3},
            {"lost", 0},
            {"nodes", {{{"directive", "Flow/x"}, {"generation", 1}, {"node", "node-a"}, {"state", "active"}, {"since", 7}}}}};
        out.push_back(json::object{{"apiVersion", "cvf/v1"},
                                   {"kind", "Flow"},
                                   {"metadata", {{"name", name}, {"generation", 1}, {"labels", {{"team", "shop"}}}}},
                                   {"spec", {{"sample", "1/1"}}},
                                   {"status", status}});
    }
    return out;
}

inline json::array nodes() {
    json::array out;
    for (const char* name : {"node-a", "node-b"})
        out.push_back(json::object{{"name", name},
                                   {"version", "0.1.0"},
                                   {"capabilities", {"endpoint", "wire"}},
                                   {"age", 5},
                                   {"lost", false},
                                   {"clockSkew", -2},
                                   {"numbers", {{"packets", 12}, {"cpu", 3}}},
                                   {"directives", json::array{}}});
    // One whose word is broken: what must be there is not.
    out.push_back(json::object{
        {"name", "node-c"}, {"age", nullptr}, {"lost", false}, {"clockSkew", 0}, {"capabilities", {"endpoint", nullptr}}});
    return out;
}

}  // namespace fake

class FakeStream final : public RecordStream {
 public:
    Item next() override {
        if (at_ == lines_.size()) return {.ended = ends};
        line_ = lines_[at_++];
        return {line_, std::exchange(lost, 0), false};
    }
    void add(std::string line) { lines_.push_back(std::move(line)); }

    uint64_t lost = 0;
    bool ends = true;

 private:
    std::deque<std::string> lines_;
    std::string line_;
    size_t at_ = 0;
};

class FakeSource : public Source {
 public:
    bool may_change = true;
    history::QueryText last_query;
    FollowText last_follow;
    ListText last_list;
    bool endless = false;

    Done query(const history::QueryText& text, const history::Receiver& receiver) override {
        last_query = text;
        if (text.filter == "bad(")
            return std::unexpected(SourceError{
                "filter: column 5: an expression is wanted", "BAD_USER_INPUT", {{"parameter", "filter"}, {"column", 5}}});
        history::Progress progress{6, 6, 0, 0};
        if (!text.measures.empty() || !text.by.empty()) {
            history::Table table;
            table.columns = {"host.name", "count"};
            table.rows = {{std::string("node-a"), uint64_t{3}}, {std::monostate{}, 1.5}};
            receiver.table(table, true);
            return progress;
        }
        auto all = fake::records();
        if (text.order != "oldest") std::ranges::reverse(all);
        const auto after = history::Position::parse(text.after);
        size_t limit = std::stoul(text.limit);
        for (const auto& record : all) {
            if (!text.types.empty() &&
                std::ranges::find(text.types, record.at("record.type").as_string().c_str()) == text.types.end())
                continue;
            const history::Position here{*filter::parse_timestamp(record.at("@timestamp").as_string().c_str()),
                                         record.at("record.id").as_string().c_str()};
            if (after && (text.order == "oldest" ? !(*after < here) : !(here < *after))) continue;
            if (limit-- == 0) break;
            ++progress.matched;
            if (!receiver.row(boost::json::serialize(record))) break;
        }
        return progress;
    }
    Result directives(const ListText& text) override {
        last_list = text;
        boost::json::array out;
        for (auto& one : fake::directives())
            if ((text.kind.empty() || text.kind == "Flow") && out.size() < text.most &&
                "Flow/" + std::string(one.at("metadata").at("name").as_string()) > text.after)
                out.push_back(one);
        return out;
    }
    Result directive(std::string_view kind, std::string_view name) override {
        for (auto& one : fake::directives())
            if (one.at("kind").as_string() == kind && one.at("metadata").at("name").as_string() == name) return one;
        return nullptr;
    }
    Result nodes(const ListText& text) override {
        boost::json::array out;
        for (auto& one : fake::nodes())
            if (out.size() < text.most && std::string_view(one.at("name").as_string()) > text.after) out.push_back(one);
        return out;
    }
    Result node(std::string_view name) override {
        for (auto& one : fake::nodes())
            if (one.at("name").as_string() == name) return one;
        return nullptr;
    }
    Result history() override { return nullptr; }
    Result apply(std::string_view document, bool dry_run) override {
        if (!may_change) return std::unexpected(SourceError{"needs the role operator", "FORBIDDEN", {}});
        return boost::json::array{
            {{"change", dry_run || document.empty() ? "unchanged" : "created"}, {"directive", fake::directives()[0]}}};
    }
    Result remove(std::string_view kind, std::string_view name) override {
        if (!may_change) return std::unexpected(SourceError{"needs the role operator", "FORBIDDEN", {}});
        auto found = directive(kind, name);
        if (found->is_null()) return std::unexpected(SourceError{"there is none", "NOT_FOUND", {}});
        return found;
    }
    std::expected<std::unique_ptr<RecordStream>, SourceError> follow(const FollowText& text, std::function<void()>) override {
        last_follow = text;
        if (text.filter == "bad(")
            return std::unexpected(SourceError{"filter: column 5: an expression is wanted", "BAD_USER_INPUT", {}});
        auto stream = std::make_unique<FakeStream>();
        stream->ends = !endless;
        for (const auto& record : fake::records()) stream->add(boost::json::serialize(record));
        return stream;
    }
};

}  // namespace cvf::graphql
