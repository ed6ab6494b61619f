// Evaluates filters for the judge (run.mjs): one JSON object a line on standard input, {"expression": …, "record": {key: value}};
// one a line on standard output, {"matches": bool} or {"error": text, "column": n}. Values become what the field table says a key
// holds.
#include <boost/json.hpp>
#include <iostream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "filter/filter.h"
#include "filter/literal.h"
#include "record/record.h"

namespace {

namespace json = boost::json;
using namespace cvf;
using record::Kind;
using record::Value;

std::span<const uint8_t> ip_bytes(record::FieldSet& set, std::string_view text) {
    const std::optional<Value> ip = filter::parse_ip(text);
    if (!ip) throw std::runtime_error("not an address: " + std::string(text));
    auto* copy = static_cast<uint8_t*>(set.arena().take(16));
    std::memcpy(copy, ip->inline_bytes, ip->short_size);
    return {copy, ip->short_size};
}

std::span<const uint8_t> hex_bytes(record::FieldSet& set, std::string_view text) {
    auto* copy = static_cast<uint8_t*>(set.arena().take(text.size() / 2 + 1));
    for (size_t i = 0; i + 1 < text.size(); i += 2)
        copy[i / 2] = static_cast<uint8_t>(std::stoul(std::string(text.substr(i, 2)), nullptr, 16));
    return {copy, text.size() / 2};
}

void add(record::FieldSet& set, record::Field field, const json::value& value) {
    const auto text = [&](const json::value& v) { return set.arena().copy(std::string_view(v.as_string())); };
    switch (record::info(field).kind) {
        case Kind::text:
            return set.text(field, text(value));
        case Kind::uint:
            return set.uint(field, value.to_number<uint64_t>());
        case Kind::sint:
            return set.sint(field, value.to_number<int64_t>());
        case Kind::real:
            return set.real(field, value.to_number<double>());
        case Kind::flag:
            return set.flag(field, value.as_bool());
        case Kind::ip:
            return set.ip(field, ip_bytes(set, value.as_string()));
        case Kind::mac:
            return set.mac(field, filter::parse_mac(value.as_string()).value().inline_bytes);
        case Kind::time:
            return set.time(field, filter::parse_timestamp(value.as_string()).value());
        case Kind::hex:
            return set.hex(field, hex_bytes(set, value.as_string()));
        case Kind::list_text: {
            std::vector<std::string_view> items;
            for (const json::value& v : value.as_array()) items.push_back(text(v));
            return set.texts(field, items);
        }
        case Kind::list_uint: {
            std::vector<uint64_t> items;
            for (const json::value& v : value.as_array()) items.push_back(v.to_number<uint64_t>());
            return set.uints(field, items);
        }
        case Kind::list_ip: {
            std::vector<std::span<const uint8_t>> items;
            for (const json::value& v : value.as_array()) items.push_back(ip_bytes(set, v.as_string()));
            return set.ips(field, items);
        }
        case Kind::map: {
            std::vector<std::pair<std::string_view, std::string_view>> entries;
            for (const auto& [key, v] : value.as_object()) entries.emplace_back(set.arena().copy(std::string_view(key)), text(v));
            return set.map(field, entries);
        }
    }
}

void fill(record::Record& record, const json::object& fields) {
    const auto type = record::type_by_name(fields.at("record.type").as_string());
    const auto time = filter::parse_timestamp(fields.at("@timestamp").as_string());
    record.begin(type.value(), time.value());
    for (const auto& [key, value] : fields) {
        if (key == "record.type" || key == "@timestamp") continue;
        const auto field = record::field_by_key(key);
        if (!field) throw std::runtime_error("no such field: " + std::string(key));
        add(record, *field, value);
    }
}

}  // namespace

int main(int argc, char** argv) {
    // With --fields: the table, so that the judge knows every group and kind.
    if (argc > 1 && std::string_view(argv[1]) == "--fields") {
        json::object table;
        for (size_t i = 0; i < record::field_count; ++i) {
            const record::FieldInfo& f = record::info(static_cast<record::Field>(i));
            table[f.key] = f.kind == Kind::real ? "real" : f.kind == Kind::time ? "time" : "other";
        }
        std::cout << json::serialize(table) << '\n';
        return 0;
    }
    record::Record record;
    for (std::string line; std::getline(std::cin, line);) {
        json::object answer;
        try {
            const json::value request = json::parse(line);
            const std::string_view expression = request.at("expression").as_string();
            const auto compiled = filter::Filter::compile(expression);
            if (compiled) {
                fill(record, request.at("record").as_object());
                answer["matches"] = compiled->matches(record);
            } else {
                answer["error"] = compiled.error().message;
                answer["column"] = compiled.error().column;
            }
        } catch (const std::exception& e) {
            std::cerr << "filter_eval: " << e.what() << " in " << line << '\n';
            return 1;
        }
        std::cout << json::serialize(answer) << '\n';
    }
    return 0;
}
