// A record: a flat set of fields on its way out.
//
// One Record object is used again and again: begin(), add fields, hand it on, begin(). Nothing is allocated per record once the
// arena has grown to its working size. Text given to text() and the items of lists are borrowed: they must stay valid until the
// record has been written, which happens before the call that hands the record on returns. copy() keeps its own copy.
//
// Adding a field twice is the caller's error (asserted in debug builds). Not thread-safe: one thread owns a Record.
#pragma once

#include <cassert>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "record/fields.h"

namespace cvf::record {

// One field and its value. Pointers borrow.
struct Value {
    Field field;
    Kind kind;
    uint8_t short_size;  // ip: 4 or 16
    uint32_t size;       // text, hex: bytes; lists and maps: items (a map has two texts per entry)
    union {
        uint64_t uint;
        int64_t sint;  // also time: nanoseconds since 1970-01-01 UTC
        double real;
        bool flag;
        const char* text;
        const uint8_t* bytes;
        const Value* items;
        uint8_t inline_bytes[16];  // ip, mac
    };

    std::string_view as_text() const { return {text, size}; }
    std::span<const Value> as_items() const { return {items, size}; }
};
static_assert(sizeof(Value) == 24);

// Memory that is given back all at once. Pointers stay valid until reset().
class Arena {
 public:
    void* take(size_t bytes, size_t align = 8) {
        const size_t start = (used_ + align - 1) & ~(align - 1);
        if (bytes > size_ || start > size_ - bytes) [[unlikely]]
            return take_new_block(bytes, align);
        used_ = start + bytes;
        return block_ + start;
    }
    std::string_view copy(std::string_view text);
    void reset();  // keeps the largest block, of those up to most_kept bytes

    static constexpr size_t most_kept = 1u << 20;
    size_t capacity() const {  // bytes of all blocks
        size_t sum = 0;
        for (const Block& b : blocks_) sum += b.size;
        return sum;
    }

 private:
    struct Block {
        std::unique_ptr<char[]> memory;
        size_t size;
    };
    void* take_new_block(size_t bytes, size_t align);

    std::vector<Block> blocks_;
    char* block_ = nullptr;  // the last one, with its size
    size_t size_ = 0, used_ = 0;
};

// A flat list of values with the memory they need. Long-lived sets (an owner's context) are built once and attached to many
// records.
class FieldSet {
 public:
    FieldSet() : values_(std::make_unique_for_overwrite<Value[]>(64)), capacity_(64) {}
    FieldSet(const FieldSet&) = delete;
    FieldSet& operator=(const FieldSet&) = delete;

    void clear() {
        count_ = 0;
        arena_.reset();
    }

    void text(Field f, std::string_view v) { push(f, Kind::text, static_cast<uint32_t>(v.size())).text = v.data(); }
    void copy(Field f, std::string_view v) { text(f, arena_.copy(v)); }
    void uint(Field f, uint64_t v) { push(f, Kind::uint, 0).uint = v; }
    void sint(Field f, int64_t v) { push(f, Kind::sint, 0).sint = v; }
    void real(Field f, double v) { push(f, Kind::real, 0).real = v; }
    void flag(Field f, bool v) { push(f, Kind::flag, 0).flag = v; }
    void time(Field f, int64_t unix_ns) { push(f, Kind::time, 0).sint = unix_ns; }
    void hex(Field f, std::span<const uint8_t> v) { push(f, Kind::hex, static_cast<uint32_t>(v.size())).bytes = v.data(); }
    // `bytes` has 4 or 16 bytes, network order; copied.
    void ip(Field f, std::span<const uint8_t> bytes) {
        assert(bytes.size() == 4 || bytes.size() == 16);
        Value& v = push(f, Kind::ip, 0);
        v.short_size = static_cast<uint8_t>(bytes.size());
        std::memcpy(v.inline_bytes, bytes.data(), bytes.size());
    }
    void mac(Field f, const uint8_t* six) { std::memcpy(push(f, Kind::mac, 0).inline_bytes, six, 6); }
    // Lists: the array is copied into the arena, the text of the items is borrowed.
    void texts(Field f, std::span<const std::string_view> items);
    void uints(Field f, std::span<const uint64_t> items);
    void ips(Field f, std::span<const std::span<const uint8_t>> items);
    void map(Field f, std::span<const std::pair<std::string_view, std::string_view>> entries);

    // Memory for text the caller composes; valid until clear().
    Arena& arena() { return arena_; }

    std::span<const Value> values() const { return {values_.get(), count_}; }
    const Value* find(Field f) const {
        for (const Value& v : values())
            if (v.field == f) return &v;
        return nullptr;
    }
    bool empty() const { return count_ == 0; }

 protected:
    Value& push(Field f, Kind kind, uint32_t size) {
        assert(find(f) == nullptr && "field added twice");
        assert(info(f).kind == kind && "kind differs from the field table");
        if (count_ == capacity_) [[unlikely]]
            grow();
        Value& v = values_[count_++];
        v.field = f;
        v.kind = kind;
        v.short_size = 0;  // so that all four are one store
        v.size = size;
        return v;
    }

 private:
    void grow();

    // Not a vector: that would clear each value before it is filled.
    std::unique_ptr<Value[]> values_;
    size_t count_ = 0, capacity_;
    Arena arena_;
};

class Record : public FieldSet {
 public:
    // Starts afresh with @timestamp and record.type set.
    void begin(RecordType type, int64_t unix_ns);

    RecordType type() const { return type_; }
    int64_t timestamp() const { return values()[0].sint; }

    // Fields kept elsewhere that belong to this record too (an owner's process and container). Borrowed until the record is
    // written.
    void attach(const FieldSet* set) {
        if (set && attached_count_ < max_attached) attached_[attached_count_++] = set;
    }
    std::span<const FieldSet* const> attached() const { return {attached_, attached_count_}; }

    // The value of a field here or in an attached set; nullptr when absent.
    const Value* lookup(Field f) const;

 private:
    static constexpr size_t max_attached = 4;
    const FieldSet* attached_[max_attached];
    size_t attached_count_ = 0;
    RecordType type_ = RecordType::flow;
};

}  // namespace cvf::record
