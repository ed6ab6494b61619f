// A segment: a file of blocks, appended to until it is full or old, and read by any number of queries meanwhile.
//
// A file is immutable below the end its BlockInfos tell of. Reading is by pread on a descriptor that the reader shares, so a
// segment that is dropped or replaced while it is read stays until the reader is done. Thread rule: File may be shared; a
// BlockReader belongs to one thread. Errors: as values; what a killed writer left half-written at the end is cut off by
// open_segment() and its size told.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "history/block.h"

namespace cvf::history {

class File {
 public:
    explicit File(int fd) : fd_(fd) {}
    ~File();
    File(const File&) = delete;
    File& operator=(const File&) = delete;

    int fd() const { return fd_; }
    // False at the file's end and on an error.
    bool read(uint64_t offset, size_t bytes, std::string& out) const;

 private:
    int fd_;
};

// What is kept in memory of each block.
struct BlockInfo {
    uint64_t offset = 0;
    uint32_t frame = 0;  // bytes of the skippable frame; the lines follow
    uint32_t head = 0;
    uint32_t lines = 0;  // packed
    uint32_t records = 0;
    int64_t first = 0, last = 0;
    filter::TypeBits types;
    uint64_t end() const { return offset + frame + lines; }
};

// A block and the file that holds it: what queries are given.
struct BlockRef {
    std::shared_ptr<const File> file;
    BlockInfo info;
};

struct SegmentBlocks {
    std::vector<BlockInfo> blocks;
    uint64_t end = 0;    // behind the last whole block
    uint64_t size = 0;   // of the file: more than `end` where something is damaged
    bool newer = false;  // what follows was written by a newer program
};

// The blocks of a file as their heads tell. With `verify_last`, the last block is read and its checksums looked at.
SegmentBlocks find_blocks(const File& file, bool verify_last);

// What find_blocks() says of a block that build() of a BlockBuilder has just made.
std::optional<BlockInfo> info_of(std::string_view block, uint64_t offset);

class BlockReader {
 public:
    explicit BlockReader();

    // Begins with another block. False when its head is damaged.
    bool open(const BlockRef& block);
    const BlockHead& head() const { return head_; }
    const BlockInfo& info() const { return block_.info; }

    // Null when the column is damaged or `unkept`.
    const Column* column(size_t index);
    const Column* time();
    int64_t time_at(uint32_t row) const { return time_of(time_.column.number(row)); }  // after time()

    // The lines, one by one; views are valid until the next open(). Empty when damaged.
    const std::vector<std::string_view>& lines();

 private:
    struct Slot {
        bool tried = false, good = false;
        Column column;
    };
    const Column* load(Slot& slot, const ColumnHead& head, uint32_t offset, record::Kind kind);

    BlockRef block_;
    BlockHead head_;
    std::vector<Slot> columns_;
    Slot time_;
    std::string packed_, plain_;
    std::vector<std::string_view> lines_;
    bool lines_read_ = false;
};

}  // namespace cvf::history
