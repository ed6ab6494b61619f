#include "history/segment.h"

#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include <cerrno>
#include <cstring>

#include "history/indexed.h"

namespace cvf::history {

File::~File() {
    if (fd_ >= 0) ::close(fd_);
}

bool File::read(uint64_t offset, size_t bytes, std::string& out) const {
    out.resize(bytes);
    size_t done = 0;
    while (done < bytes) {
        const ssize_t n = ::pread(fd_, out.data() + done, bytes - done, static_cast<off_t>(offset + done));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        done += static_cast<size_t>(n);
    }
    return true;
}

namespace {

BlockInfo make_info(const BlockPrefix& prefix, const BlockHead& head, uint64_t offset) {
    return {.offset = offset,
            .frame = prefix.frame,
            .head = prefix.head,
            .lines = head.lines_packed,
            .records = head.records,
            .first = head.first,
            .last = head.last,
            .types = head.types};
}

bool whole(const std::shared_ptr<const File>& file, const BlockInfo& info) {
    BlockReader reader;
    if (!reader.open({file, info}) || !reader.time() || reader.lines().empty()) return false;
    for (size_t i = 0; i < reader.head().columns.size(); ++i)
        if (reader.head().columns[i].form != ColumnForm::unkept && !reader.column(i)) return false;
    return true;
}

}  // namespace

SegmentBlocks find_blocks(const File& file, bool verify_last) {
    SegmentBlocks found;
    struct stat st{};
    if (::fstat(file.fd(), &st) != 0 || st.st_size < 0) return found;
    found.size = static_cast<uint64_t>(st.st_size);
    std::string bytes;
    while (found.end < found.size && file.read(found.end, block_prefix, bytes)) {
        const auto prefix = parse_prefix(bytes);
        if (!prefix || prefix->frame > found.size - found.end || !file.read(found.end + block_prefix, prefix->head, bytes)) break;
        const auto head = parse_head(bytes);
        if (!head) {
            found.newer = is_newer_head(bytes);
            break;
        }
        const BlockInfo info = make_info(*prefix, *head, found.end);
        if (info.end() > found.size) break;
        found.blocks.push_back(info);
        found.end = info.end();
    }
    // The heads of a file that power failed on may be there while the blocks they tell of are not.
    const std::shared_ptr<const File> shared(&file, [](const File*) {});
    while (verify_last && !found.blocks.empty() && !whole(shared, found.blocks.back())) {
        found.end = found.blocks.back().offset;
        found.blocks.pop_back();
    }
    return found;
}

std::optional<BlockInfo> info_of(std::string_view block, uint64_t offset) {
    const auto prefix = parse_prefix(block);
    if (!prefix || block.size() < prefix->frame) return std::nullopt;
    const auto head = parse_head(block.substr(block_prefix, prefix->head));
    if (!head) return std::nullopt;
    return make_info(*prefix, *head, offset);
}

BlockReader::BlockReader() : columns_(indexed_fields().size()) {}

bool BlockReader::open(const BlockRef& block) {
    block_ = block;
    for (Slot& slot : columns_) slot.tried = false;
    time_.tried = lines_read_ = false;
    lines_.clear();
    if (!block_.file->read(block.info.offset + block_prefix, block.info.head, packed_)) return false;
    auto head = parse_head(packed_);
    // What the file says now must be what it said when it was opened.
    if (!head || head->records != block.info.records || head->lines_packed != block.info.lines) return false;
    head_ = std::move(*head);
    return true;
}

const Column* BlockReader::load(Slot& slot, const ColumnHead& head, uint32_t offset, record::Kind kind) {
    if (slot.tried) return slot.good ? &slot.column : nullptr;
    slot.tried = true;
    const uint64_t begin = block_prefix + block_.info.head + uint64_t{offset};
    slot.good = head.form != ColumnForm::unkept && begin + head.packed <= block_.info.frame &&
                uint64_t{head.plain} <= uint64_t{max_block_bytes} * 3 &&
                (head.form == ColumnForm::empty || block_.file->read(block_.info.offset + begin, head.packed, packed_)) &&
                decode(head, kind, head_.records, packed_, slot.column);
    return slot.good ? &slot.column : nullptr;
}

const Column* BlockReader::column(size_t index) {
    return load(columns_[index], head_.columns[index], head_.offsets[index], record::info(indexed_fields()[index]).kind);
}

const Column* BlockReader::time() {
    const Column* column = load(time_, head_.time, head_.time_offset, record::Kind::uint);
    if (!column || column->form != ColumnForm::numbers) return nullptr;
    for (const uint64_t stored : column->numbers)
        if (stored == 0) return nullptr;
    return column;
}

const std::vector<std::string_view>& BlockReader::lines() {
    if (lines_read_) return lines_;
    lines_read_ = true;
    const size_t size = head_.lines_plain;
    if (!block_.file->read(block_.info.offset + block_.info.frame, head_.lines_packed, packed_) ||
        ZSTD_getFrameContentSize(packed_.data(), packed_.size()) != size)
        return lines_;
    plain_.resize(size);
    if (ZSTD_decompress(plain_.data(), size, packed_.data(), packed_.size()) != size) return lines_;
    lines_.reserve(head_.records);
    for (size_t at = 0; at < size;) {
        const void* end = std::memchr(plain_.data() + at, '\n', size - at);
        if (!end || lines_.size() == head_.records) break;
        const auto length = static_cast<size_t>(static_cast<const char*>(end) - (plain_.data() + at));
        lines_.emplace_back(plain_.data() + at, length);
        at += length + 1;
    }
    if (lines_.size() != head_.records) lines_.clear();  // rows and lines would not belong to each other
    return lines_;
}

}  // namespace cvf::history
