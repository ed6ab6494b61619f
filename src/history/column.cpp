#include "history/column.h"

#include <zstd.h>

#include <algorithm>
#include <cstring>

namespace cvf::history {
namespace {

template <typename T, typename Values>
void put_all(const Values& values, std::string& out) {
    const size_t start = out.size();
    out.resize(start + values.size() * sizeof(T));
    char* p = out.data() + start;
    for (const auto value : values) {
        const T narrow = static_cast<T>(value);
        std::memcpy(p, &narrow, sizeof narrow);
        p += sizeof narrow;
    }
}

template <typename Values>
void put_wide(const Values& values, uint8_t width, std::string& out) {
    switch (width) {
        case 1:
            return put_all<uint8_t>(values, out);
        case 2:
            return put_all<uint16_t>(values, out);
        case 4:
            return put_all<uint32_t>(values, out);
        default:
            return put_all<uint64_t>(values, out);
    }
}

template <typename T, typename Value>
void get_all(const char* p, uint32_t rows, std::vector<Value>& out) {
    for (uint32_t i = 0; i < rows; ++i, p += sizeof(T)) {
        T narrow;
        std::memcpy(&narrow, p, sizeof narrow);
        out[i] = static_cast<Value>(narrow);
    }
}

template <typename Value>
void get_wide(const char* p, uint8_t width, uint32_t rows, std::vector<Value>& out) {
    out.resize(rows);
    switch (width) {
        case 1:
            return get_all<uint8_t>(p, rows, out);
        case 2:
            return get_all<uint16_t>(p, rows, out);
        case 4:
            return get_all<uint32_t>(p, rows, out);
        default:
            return get_all<uint64_t>(p, rows, out);
    }
}

uint8_t width_of(uint64_t largest) {
    return largest <= UINT8_MAX ? 1 : largest <= UINT16_MAX ? 2 : largest <= UINT32_MAX ? 4 : 8;
}

void pack(std::string_view plain, ZSTD_CCtx_s* zstd, ColumnHead& head, std::string& out) {
    const size_t start = out.size();
    out.resize(start + ZSTD_compressBound(plain.size()));
    const size_t n = ZSTD_compress2(zstd, out.data() + start, out.size() - start, plain.data(), plain.size());
    if (ZSTD_isError(n)) {
        out.resize(start);
        head = {.form = ColumnForm::unkept};
        return;
    }
    out.resize(start + n);
    head.plain = static_cast<uint32_t>(plain.size());
    head.packed = static_cast<uint32_t>(n);
}

}  // namespace

void ColumnBuilder::text(uint32_t row, std::string_view value) {
    auto found = places_.find(value);
    if (found == places_.end()) {
        const std::string_view kept = arena_.copy(value);
        entries_.push_back(kept);
        found = places_.emplace(kept, static_cast<uint32_t>(entries_.size())).first;
    }
    if (ids_.size() <= row) ids_.resize(row + 1);
    ids_[row] = found->second;
}

void ColumnBuilder::number(uint32_t row, uint64_t value) {
    numbers_.push_back(value);
    rows_.push_back(row);
}

ColumnHead ColumnBuilder::finish(uint32_t rows, ZSTD_CCtx_s* zstd, std::string& out) {
    ColumnHead head;
    plain_.clear();
    if (!entries_.empty()) {
        head.form = ColumnForm::dictionary;
        head.entries = static_cast<uint32_t>(entries_.size());
        head.width = width_of(entries_.size());
        ids_.resize(rows);
        head.gaps = std::ranges::find(ids_, 0u) != ids_.end();
        for (const std::string_view entry : entries_) {
            const auto size = static_cast<uint32_t>(entry.size());
            plain_.append(reinterpret_cast<const char*>(&size), sizeof size);
            plain_.append(entry);
        }
        put_wide(ids_, head.width, plain_);
        pack(plain_, zstd, head, out);
    } else if (!numbers_.empty()) {
        const auto [low, high] = std::ranges::minmax_element(numbers_);
        head.form = ColumnForm::numbers;
        head.smallest = *low;
        head.largest = *high;
        head.gaps = rows_.size() < rows;
        if (head.largest - head.smallest == UINT64_MAX) {
            head = {.form = ColumnForm::unkept};  // no room for "none"
        } else {
            head.width = width_of(head.largest - head.smallest + 1);
            std::vector<uint64_t> stored(rows);
            for (size_t i = 0; i < numbers_.size(); ++i) stored[rows_[i]] = numbers_[i] - head.smallest + 1;
            put_wide(stored, head.width, plain_);
            pack(plain_, zstd, head, out);
        }
    }
    arena_.reset();
    places_.clear();
    entries_.clear();
    ids_.clear();
    numbers_.clear();
    rows_.clear();
    return head;
}

bool decode(const ColumnHead& head, record::Kind kind, uint32_t rows, std::string_view packed, Column& out) {
    out.form = head.form;
    out.entries.clear();
    if (head.form == ColumnForm::empty) return true;
    if (head.form != ColumnForm::dictionary && head.form != ColumnForm::numbers) return false;
    if (head.width != 1 && head.width != 2 && head.width != 4 && head.width != 8) return false;
    const size_t values = size_t{rows} * head.width;
    if (head.plain < values || ZSTD_getFrameContentSize(packed.data(), packed.size()) != head.plain) return false;
    out.plain.resize(head.plain);
    if (ZSTD_decompress(out.plain.data(), out.plain.size(), packed.data(), packed.size()) != head.plain) return false;
    if (head.form == ColumnForm::numbers) {
        if (head.plain != values) return false;
        out.smallest = head.smallest;
        get_wide(out.plain.data(), head.width, rows, out.numbers);
        return true;
    }
    size_t at = 0;
    const size_t end = out.plain.size() - values;
    if (head.entries > end / sizeof(uint32_t)) return false;
    out.entries.reserve(head.entries);
    for (uint32_t i = 0; i < head.entries; ++i) {
        uint32_t size;
        if (end - at < sizeof size) return false;
        std::memcpy(&size, out.plain.data() + at, sizeof size);
        at += sizeof size;
        if (end - at < size || (kind == record::Kind::ip && size != 4 && size != 16)) return false;
        out.entries.emplace_back(out.plain.data() + at, size);
        at += size;
    }
    if (at != end) return false;
    get_wide(out.plain.data() + end, head.width, rows, out.ids);
    return std::ranges::all_of(out.ids, [&](uint32_t id) { return id <= head.entries; });
}

}  // namespace cvf::history
