#include "sink/bus_batch.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "bus/subjects.h"

namespace cvf::sink {

using record::RecordType;

namespace {

const std::array<uint16_t, record::type_count>& type_numbers() {
    static const auto numbers = [] {
        std::array<uint16_t, record::type_count> all;
        for (size_t i = 0; i < all.size(); i++) {
            const std::string_view name = record::info(static_cast<RecordType>(i)).name;
            all[i] = static_cast<uint16_t>(XXH3_64bits(name.data(), name.size()));
        }
        return all;
    }();
    return numbers;
}

}  // namespace

uint16_t type_number(RecordType type) {
    return type_numbers()[static_cast<size_t>(type)];
}

std::optional<RecordType> type_of_number(uint16_t number) {
    const auto at = std::ranges::find(type_numbers(), number);
    if (at == type_numbers().end()) return std::nullopt;
    return static_cast<RecordType>(at - type_numbers().begin());
}

double share_of(RecordType type) {
    switch (type) {
        case RecordType::health:
            return 1;
        case RecordType::flow:
        case RecordType::metric:  // stands for many
            return 0.95;
        default:
            return 0.85;
    }
}

std::vector<std::string> record_subjects(std::string_view node) {
    std::vector<std::string> subjects;
    for (size_t i = 0; i < record::type_count; i++)
        subjects.push_back(bus::subject::records(record::info(static_cast<RecordType>(i)).name, node));
    return subjects;
}

bus::Accepted publish(bus::Bus& bus, const Batch& batch, std::string_view node, std::string_view subject, uint64_t token) {
    const BatchHead& head = batch.head;
    char agent[160], first[20], last[20], count[20];
    const auto text = [](auto& buffer, auto... parts) {
        const auto end = fmt::format_to_n(buffer, sizeof buffer, parts...);
        return std::string_view(buffer, std::min(end.size, sizeof buffer));
    };
    const bus::Header headers[] = {
        {bus::header::content_type, "application/x-ndjson"},
        {bus::header::schema, bus::schema_version},
        {bus::header::agent, text(agent, FMT_STRING("{:.120}/{:x}/{}"), node, head.instance, head.lane)},
        {bus::header::first, text(first, FMT_STRING("{}"), head.first_sequence)},
        {bus::header::last, text(last, FMT_STRING("{}"), head.first_sequence + head.records - 1)},
        {bus::header::count, text(count, FMT_STRING("{}"), head.records)},
    };
    bus::Message message;
    message.subject = subject;
    message.payload = batch.bytes;
    message.headers = headers;
    message.partition_key = head.lane;
    message.token = token;
    return bus.publish(message);
}

}  // namespace cvf::sink
