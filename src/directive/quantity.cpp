#include "directive/quantity.h"

#include <fmt/format.h>

#include <utility>

#include "config/quantity.h"
#include "filter/literal.h"
#include "record/text.h"

namespace cvf::directive {

namespace {

constexpr int64_t second = 1'000'000'000;

std::expected<std::string_view, std::string> per_second(std::string_view text, std::string_view example) {
    if (!text.ends_with("/s"))
        return std::unexpected(fmt::format("'{}' is not a rate; write it per second, as {}", text, example));
    return text.substr(0, text.size() - 2);
}

}  // namespace

std::expected<uint64_t, std::string> parse_rate(std::string_view text) {
    const auto size = per_second(text, "1MiB/s");
    if (!size) return std::unexpected(size.error());
    return config::parse_size(*size);
}

std::expected<uint64_t, std::string> parse_frequency(std::string_view text) {
    const auto count = per_second(text, "1000/s");
    if (!count) return std::unexpected(count.error());
    return config::parse_count(*count);
}

std::expected<Sample, std::string> parse_sample(std::string_view text) {
    const auto wrong = [&] {
        return std::unexpected(fmt::format("'{}' is not a sample; write 1/10 for one conversation in ten, or 500/s", text));
    };
    const size_t slash = text.find('/');
    if (slash == std::string_view::npos) return wrong();
    const auto first = config::parse_count(text.substr(0, slash));
    if (!first) return wrong();
    const std::string_view rest = text.substr(slash + 1);
    if (rest == "s") {
        if (*first == 0) return std::unexpected("0/s is no record at all; delete the directive instead");
        return Sample{1, *first};
    }
    const auto of = config::parse_count(rest);
    if (!of || *first != 1 || *of == 0) return wrong();
    if (*of > 1'000'000) return std::unexpected(fmt::format("'{}' is too little; 1/1000000 is the least", text));
    return Sample{static_cast<uint32_t>(*of), 0};
}

std::expected<int64_t, std::string> parse_time(std::string_view text) {
    const auto at = filter::parse_timestamp(text);
    if (!at || *at < 0) return std::unexpected(fmt::format("'{}' is not a time; write it as 2026-01-02T03:04:05Z", text));
    if (*at % second != 0) return std::unexpected(fmt::format("'{}' has parts of a second; whole seconds are meant", text));
    return *at;
}

std::string format_duration(std::chrono::nanoseconds value) {
    static constexpr std::pair<int64_t, std::string_view> units[] = {{3'600 * second, "h"}, {60 * second, "m"}, {second, "s"},
                                                                     {1'000'000, "ms"},     {1'000, "us"},      {1, "ns"}};
    int64_t rest = value.count();
    std::string out;
    for (const auto& [ns, name] : units) {
        if (rest < ns) continue;
        out += fmt::format("{}{}", rest / ns, name);
        rest %= ns;
    }
    return out.empty() ? "0s" : out;
}

std::string format_size(uint64_t bytes) {
    static constexpr std::pair<uint64_t, std::string_view> units[] = {
        {1ull << 40, "TiB"},       {1ull << 30, "GiB"},   {1ull << 20, "MiB"}, {1ull << 10, "KiB"},
        {1'000'000'000'000, "TB"}, {1'000'000'000, "GB"}, {1'000'000, "MB"},   {1'000, "kB"}};
    for (const auto& [unit, name] : units)
        if (bytes != 0 && bytes % unit == 0) return fmt::format("{}{}", bytes / unit, name);
    return fmt::format("{}B", bytes);
}

std::string format_sample(const Sample& sample) {
    return sample.per_second != 0 ? fmt::format("{}/s", sample.per_second) : fmt::format("1/{}", sample.one_in);
}

std::string format_time(int64_t unix_ns) {
    char text[32];
    record::write_time(text, unix_ns);
    return std::string(text, 19) + "Z";  // up to the seconds
}

}  // namespace cvf::directive
