// Any text as a filter: compiling ends in a filter or in an error that can be shown; a filter runs on a record with every kind of
// field.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "filter/filter.h"
#include "record/record.h"

namespace {

using namespace cvf;

bool carries(record::RecordType type, record::Field field) {
    std::string_view types = record::info(field).types;
    const std::string_view name = record::info(type).name;
    while (!types.empty()) {
        const size_t blank = types.find(' ');
        if (const std::string_view one = types.substr(0, blank); one == "*" || one == name) return true;
        types.remove_prefix(blank == std::string_view::npos ? types.size() : blank + 1);
    }
    return false;
}

// One value of each field that the type may carry, so that whatever the expression names is there.
void fill(record::Record& r, record::RecordType type) {
    static constexpr std::array<uint8_t, 16> bytes{0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x35};
    static constexpr std::string_view texts[] = {"a", "10.0.0.1", "\xff\xfe", ""};
    static constexpr uint64_t numbers[] = {0, 1, ~uint64_t{0}};
    static constexpr std::pair<std::string_view, std::string_view> entries[] = {{"a", "b"}, {"app", "cart"}};
    const std::span<const uint8_t> ips[] = {{bytes.data(), 4}, bytes};
    r.begin(type, 1'767'323'045'000'000'000);
    for (size_t i = 0; i < record::field_count; ++i) {
        const auto f = static_cast<record::Field>(i);
        if (r.find(f) || !carries(type, f)) continue;
        switch (record::info(f).kind) {
            case record::Kind::text:
                r.text(f, texts[i % 4]);
                break;
            case record::Kind::uint:
                r.uint(f, numbers[i % 3]);
                break;
            case record::Kind::sint:
                r.sint(f, -1);
                break;
            case record::Kind::real:
                r.real(f, 0.5);
                break;
            case record::Kind::flag:
                r.flag(f, i % 2 == 0);
                break;
            case record::Kind::ip:
                r.ip(f, ips[i % 2]);
                break;
            case record::Kind::mac:
                r.mac(f, bytes.data());
                break;
            case record::Kind::time:
                r.time(f, -1);
                break;
            case record::Kind::hex:
                r.hex(f, bytes);
                break;
            case record::Kind::list_text:
                r.texts(f, texts);
                break;
            case record::Kind::list_uint:
                r.uints(f, numbers);
                break;
            case record::Kind::list_ip:
                r.ips(f, ips);
                break;
            case record::Kind::map:
                r.map(f, entries);
                break;
        }
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    static std::array<record::Record, record::type_count> full, empty;
    static const bool once = [] {
        for (size_t i = 0; i < record::type_count; ++i) {
            fill(full[i], static_cast<record::RecordType>(i));
            empty[i].begin(static_cast<record::RecordType>(i), 0);
        }
        return true;
    }();
    (void)once;
    const std::string_view source(reinterpret_cast<const char*>(data), size);
    const auto f = filter::Filter::compile(source);
    if (!f) {
        if (f.error().message.empty() || f.error().column == 0 || f.error().column > size + 1) std::abort();
        if (f.error().show(source).empty()) std::abort();
        return 0;
    }
    // What cannot match by its type must not match.
    for (const auto* records : {&full, &empty})
        for (const record::Record& r : *records)
            if (f->matches(r) && !f->possible_types()[static_cast<size_t>(r.type())]) std::abort();
    return 0;
}
