// Counters as Prometheus reads them.
//
// Plain values: whoever counts makes a snapshot, write_metrics() turns it to text. No state, any thread.
// Source: Prometheus text exposition format 0.0.4.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace cvf::api {

struct Sample {
    std::vector<std::pair<std::string, std::string>> labels;  // names as [a-zA-Z_][a-zA-Z0-9_]*
    std::variant<uint64_t, double> value;
};

struct Metric {
    enum class Type : uint8_t { counter, gauge };
    std::string name;  // base units; a counter ends in _total
    std::string help;
    Type type = Type::counter;
    std::vector<Sample> samples;

    static Metric counter(std::string name, std::string help, uint64_t value) {
        return {std::move(name), std::move(help), Type::counter, {{{}, value}}};
    }
    static Metric gauge(std::string name, std::string help, uint64_t value) {
        return {std::move(name), std::move(help), Type::gauge, {{{}, value}}};
    }
};

inline constexpr const char* metrics_content_type = "text/plain; version=0.0.4; charset=utf-8";

// Metrics without samples are left out.
std::string write_metrics(const std::vector<Metric>& metrics);

}  // namespace cvf::api
