#include "record/record.h"

#include <algorithm>

namespace cvf::record {

void* Arena::take_new_block(size_t bytes, size_t align) {
    // Each block doubles the last, so that a set reaches its working size in a few steps.
    size_ = std::max(bytes + align, std::max<size_t>(1024, size_ * 2));
    blocks_.push_back({std::make_unique_for_overwrite<char[]>(size_), size_});
    block_ = blocks_.back().memory.get();  // new[] aligns for any type
    used_ = bytes;
    return block_;
}

std::string_view Arena::copy(std::string_view text) {
    char* p = static_cast<char*>(take(text.size(), 1));
    if (!text.empty()) std::memcpy(p, text.data(), text.size());
    return {p, text.size()};
}

void Arena::reset() {
    // Keep the largest block, which after growth holds everything the set has ever needed at once; but what one huge record took
    // is not held for ever.
    if (blocks_.size() > 1 || size_ > most_kept) {
        while (!blocks_.empty() && blocks_.back().size > most_kept) blocks_.pop_back();
        if (blocks_.size() > 1) {
            std::swap(blocks_.front(), blocks_.back());
            blocks_.resize(1);
        }
        block_ = blocks_.empty() ? nullptr : blocks_.front().memory.get();
        size_ = blocks_.empty() ? 0 : blocks_.front().size;
    }
    used_ = 0;
}

void FieldSet::grow() {
    auto more = std::make_unique_for_overwrite<Value[]>(capacity_ * 2);
    std::copy_n(values_.get(), count_, more.get());
    values_ = std::move(more);
    capacity_ *= 2;
}

namespace {

Value* take_items(Arena& arena, size_t count) {
    return static_cast<Value*>(arena.take(count * sizeof(Value), alignof(Value)));
}

void set_text(Value& v, std::string_view text) {
    v.kind = Kind::text;
    v.size = static_cast<uint32_t>(text.size());
    v.text = text.data();
}

}  // namespace

void FieldSet::texts(Field f, std::span<const std::string_view> items) {
    Value* array = take_items(arena_, items.size());
    for (size_t i = 0; i < items.size(); i++) set_text(array[i], items[i]);
    push(f, Kind::list_text, static_cast<uint32_t>(items.size())).items = array;
}

void FieldSet::uints(Field f, std::span<const uint64_t> items) {
    Value* array = take_items(arena_, items.size());
    for (size_t i = 0; i < items.size(); i++) {
        array[i].kind = Kind::uint;
        array[i].uint = items[i];
    }
    push(f, Kind::list_uint, static_cast<uint32_t>(items.size())).items = array;
}

void FieldSet::ips(Field f, std::span<const std::span<const uint8_t>> items) {
    Value* array = take_items(arena_, items.size());
    for (size_t i = 0; i < items.size(); i++) {
        assert(items[i].size() == 4 || items[i].size() == 16);
        array[i].kind = Kind::ip;
        array[i].short_size = static_cast<uint8_t>(items[i].size());
        std::memcpy(array[i].inline_bytes, items[i].data(), items[i].size());
    }
    push(f, Kind::list_ip, static_cast<uint32_t>(items.size())).items = array;
}

void FieldSet::map(Field f, std::span<const std::pair<std::string_view, std::string_view>> entries) {
    Value* array = take_items(arena_, entries.size() * 2);
    for (size_t i = 0; i < entries.size(); i++) {
        set_text(array[2 * i], entries[i].first);
        set_text(array[2 * i + 1], entries[i].second);
    }
    push(f, Kind::map, static_cast<uint32_t>(entries.size())).items = array;
}

void Record::begin(RecordType type, int64_t unix_ns) {
    clear();
    attached_count_ = 0;
    type_ = type;
    time(Field::timestamp, unix_ns);
    text(Field::record_type, info(type).name);
}

const Value* Record::lookup(Field f) const {
    if (const Value* v = find(f)) return v;
    for (const FieldSet* set : attached())
        if (const Value* v = set->find(f)) return v;
    return nullptr;
}

}  // namespace cvf::record
