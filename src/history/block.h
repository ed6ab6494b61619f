// A block: the records of a second or so, as columns and as lines. What segments are made of.
//
// On disk it is two zstd frames (RFC 8878), so that `zstd -dc SEGMENT` gives the records as JSON lines and any reader of zstd
// skips the columns:
//
//     skippable frame   magic 0x184D2A5C, its size; then "CVFB", the head's size (4 bytes each), the head as a zstd frame, and
//                       the columns one behind the other
//     frame             the lines, in the order of their arrival
//
// The head, little-endian: version (1), records (4), first and last time (8 each, ns), record types by a bit per name, packed and
// plain size of the lines, the columns (key, ColumnHead), and the filter of ids. A type or field is named by its text, so that a
// newer or older field table reads the same block; a column whose form is not that of the field's kind counts as `unkept`. The
// time is column "@timestamp".
//
// The id filter (Bloom, 10 bits and 7 probes a key: 1 % are found in vain) holds flow.id, record.id, network.community_id and
// trace.id, so that the look for one conversation reads only blocks that have it.
//
// Limits: max_block_records and max_block_bytes of lines. Thread rule: one thread owns a BlockBuilder; BlockHead is a value.
// Errors: parse_head() of damaged bytes gives nothing.
#pragma once

#include <zstd.h>

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "filter/filter.h"
#include "history/column.h"
#include "record/record.h"

namespace cvf::history {

inline constexpr uint32_t max_block_records = 65'536;
inline constexpr size_t max_block_bytes = 32 * 1024 * 1024;
inline constexpr size_t max_line_bytes = 1024 * 1024;

// Bytes at a block's begin that tell how long its head is and how long the whole is.
inline constexpr size_t block_prefix = 16;

struct BlockPrefix {
    uint32_t frame;  // bytes of the skippable frame, its own head of 8 included
    uint32_t head;   // bytes of the head, packed; it begins at block_prefix
};
std::optional<BlockPrefix> parse_prefix(std::string_view bytes);

struct BlockHead {
    uint32_t records = 0;
    int64_t first = 0, last = 0;  // earliest and latest time
    filter::TypeBits types;       // of those this program knows
    bool strange_types = false;   // and there are others
    uint32_t lines_packed = 0, lines_plain = 0;
    ColumnHead time;
    std::vector<ColumnHead> columns;  // by column_of(); `unkept` where the writer did not index it
    std::vector<uint32_t> offsets;    // of each packed column, from the end of the head
    uint32_t time_offset = 0;
    std::string ids;  // the id filter's bits

    // False when no record of the block has this id.
    bool may_have_id(std::string_view id) const;
};

// The packed head, as it stands behind the prefix.
std::optional<BlockHead> parse_head(std::string_view packed);

// Whether this is a whole head, but of a version this program does not know.
bool is_newer_head(std::string_view packed);

// Time as it stands in its column: order kept, no sign.
inline uint64_t stored_time(int64_t ns) {
    return static_cast<uint64_t>(ns) ^ UINT64_C(1) << 63;
}
inline int64_t time_of(uint64_t stored) {
    return static_cast<int64_t>(stored ^ UINT64_C(1) << 63);
}

struct BlockLevels {
    int lines = 3;  // zstd levels
    int columns = 1;
};

class BlockBuilder {
 public:
    explicit BlockBuilder(BlockLevels levels = {});

    // `line` is the record's, with or without its line end.
    void add(const record::Record& record, std::string_view line);

    uint32_t records() const { return records_; }
    bool full() const { return records_ >= max_block_records || lines_.size() + max_line_bytes > max_block_bytes; }
    int64_t first() const { return first_; }
    int64_t last() const { return last_; }

    // Appends the block to `out` and begins the next one. Nothing when there is no record. False when zstd failed, which leaves
    // `out` as it was and the records gone.
    bool finish(std::string& out);

 private:
    void add_value(const record::Value& value);

    struct FreeContext {
        void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
    };
    using Context = std::unique_ptr<ZSTD_CCtx, FreeContext>;
    static Context context(int level);

    Context for_lines_, for_columns_;
    std::vector<ColumnBuilder> columns_;
    ColumnBuilder time_;
    std::string lines_, head_, data_;
    std::vector<uint64_t> ids_;  // hashes
    filter::TypeBits types_;
    uint32_t records_ = 0;
    int64_t first_ = INT64_MAX, last_ = INT64_MIN;
};

}  // namespace cvf::history
