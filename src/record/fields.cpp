#include "record/fields.h"

#include <algorithm>
#include <array>

namespace cvf::record {

constexpr FieldInfo field_table[field_count] = {
#define FIELD(id, key, kind, origin, types, doc) {key, types, doc, Kind::kind, Origin::origin},
#define ENDS(id, key, kind, origin, types, doc) \
    {"source." key, types, doc, Kind::kind, Origin::origin}, {"destination." key, types, doc, Kind::kind, Origin::origin},
#include "record/fields/all.def"
#undef FIELD
#undef ENDS
};

namespace {

template <size_t N>
constexpr JsonKey make_json_key(const char (&text)[N]) {
    static_assert(N - 1 <= sizeof(JsonKey::text), "a key is too long for its place");
    JsonKey key{};
    for (size_t i = 0; i + 1 < N; i++) key.text[i] = text[i];
    key.size = static_cast<uint8_t>(N - 1);
    return key;
}

}  // namespace

constexpr JsonKey json_keys[field_count] = {
#define FIELD(id, key, kind, origin, types, doc) make_json_key(",\"" key "\":"),
#define ENDS(id, key, kind, origin, types, doc) make_json_key(",\"source." key "\":"), make_json_key(",\"destination." key "\":"),
#include "record/fields/all.def"
#undef FIELD
#undef ENDS
};

namespace {

constexpr TypeInfo types[] = {
#define TYPE(name, doc) {#name, doc},
#include "record/types.def"
#undef TYPE
};

// Field numbers in the order of their keys, for look-up by name.
constexpr auto by_key = [] {
    std::array<uint16_t, field_count> order{};
    for (size_t i = 0; i < field_count; i++) order[i] = static_cast<uint16_t>(i);
    std::sort(order.begin(), order.end(), [](uint16_t a, uint16_t b) { return field_table[a].key < field_table[b].key; });
    return order;
}();

constexpr bool keys_are_unique() {
    for (size_t i = 1; i < field_count; i++)
        if (field_table[by_key[i - 1]].key == field_table[by_key[i]].key) return false;
    return true;
}
static_assert(keys_are_unique(), "a key stands twice in the field table");

}  // namespace

const TypeInfo& info(RecordType type) {
    return types[static_cast<size_t>(type)];
}

std::optional<Field> field_by_key(std::string_view key) {
    auto it = std::lower_bound(by_key.begin(), by_key.end(), key,
                               [](uint16_t i, std::string_view k) { return field_table[i].key < k; });
    if (it == by_key.end() || field_table[*it].key != key) return std::nullopt;
    return static_cast<Field>(*it);
}

std::optional<RecordType> type_by_name(std::string_view name) {
    for (size_t i = 0; i < type_count; i++)
        if (types[i].name == name) return static_cast<RecordType>(i);
    return std::nullopt;
}

}  // namespace cvf::record
