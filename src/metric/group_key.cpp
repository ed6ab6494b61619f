#include "metric/group_key.h"

#include <cassert>
#include <cstring>

namespace cvf::metric {

using record::Field;
using record::Kind;
using record::Value;

namespace {

// Each value: one byte, 0 for none and else its kind + 1; then as many bytes as its kind has, texts behind their length.
void pack(const Value* value, std::string& out) {
    const auto append = [&](const void* bytes, size_t size) { out.append(static_cast<const char*>(bytes), size); };
    if (!value) return out.push_back('\0');
    out.push_back(static_cast<char>(static_cast<uint8_t>(value->kind) + 1));
    switch (value->kind) {
        case Kind::text:
        case Kind::hex:
            append(&value->size, sizeof value->size);
            return append(value->text, value->size);
        case Kind::uint:
        case Kind::sint:
        case Kind::real:
        case Kind::time:
            return append(&value->uint, sizeof value->uint);
        case Kind::flag:
            return out.push_back(value->flag ? '\1' : '\0');
        case Kind::ip:
            out.push_back(static_cast<char>(value->short_size));
            return append(value->inline_bytes, value->short_size);
        case Kind::mac:
            return append(value->inline_bytes, 6);
        case Kind::list_text:
        case Kind::list_uint:
        case Kind::list_ip:
        case Kind::map:
            out.back() = '\0';
            return;
    }
}

class Unpacker {
 public:
    explicit Unpacker(std::string_view key) : left_(key) {}

    void next(Field field, record::FieldSet& out) {
        const auto tag = static_cast<uint8_t>(take(1)[0]);
        if (tag == 0) return;
        switch (static_cast<Kind>(tag - 1)) {
            case Kind::text: {
                const std::string_view text = take(number<uint32_t>());
                if (field != Field::record_type) out.text(field, text);
                return;
            }
            case Kind::hex:
                return out.hex(field, bytes(number<uint32_t>()));
            case Kind::uint:
                return out.uint(field, number<uint64_t>());
            case Kind::sint:
                return out.sint(field, number<int64_t>());
            case Kind::real:
                return out.real(field, number<double>());
            case Kind::time:
                return out.time(field, number<int64_t>());
            case Kind::flag:
                return out.flag(field, take(1)[0] != 0);
            case Kind::ip:
                return out.ip(field, bytes(number<uint8_t>()));
            case Kind::mac:
                return out.mac(field, bytes(6).data());
            default:
                return;  // never packed
        }
    }

 private:
    std::string_view take(size_t size) {
        assert(size <= left_.size());
        const std::string_view taken = left_.substr(0, size);
        left_.remove_prefix(size);
        return taken;
    }
    std::span<const uint8_t> bytes(size_t size) {
        const std::string_view taken = take(size);
        return {reinterpret_cast<const uint8_t*>(taken.data()), taken.size()};
    }
    template <typename T>
    T number() {
        T value;
        std::memcpy(&value, take(sizeof value).data(), sizeof value);
        return value;
    }

    std::string_view left_;
};

}  // namespace

void pack_key(const record::Record& record, std::span<const Field> fields, std::string& out) {
    for (const Field field : fields) pack(record.lookup(field), out);
}

void unpack_key(std::string_view key, std::span<const Field> fields, record::FieldSet& out) {
    Unpacker packed(key);
    for (const Field field : fields) packed.next(field, out);
}

}  // namespace cvf::metric
