// Packs the small blocks of a sealed segment into large ones, in another file, a little at a time.
//
// Thread rule: one thread. Errors: step() says `failed`, and the new file is gone; the old one is never touched.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "history/segment.h"

namespace cvf::history {

class Compaction {
 public:
    // `path` is the new file's.
    Compaction(std::vector<BlockRef> from, std::string path, BlockLevels levels);
    ~Compaction();
    Compaction(const Compaction&) = delete;
    Compaction& operator=(const Compaction&) = delete;

    enum class State : uint8_t { more, done, failed };
    State step(uint32_t records);

    // When done: the new file, synced, with its blocks. The caller renames it.
    std::shared_ptr<const File> file() const { return file_; }
    const std::vector<BlockInfo>& blocks() const { return blocks_; }
    void keep() { path_.clear(); }

 private:
    bool write_block();

    std::vector<BlockRef> from_;
    std::string path_;
    std::shared_ptr<const File> file_;
    std::vector<BlockInfo> blocks_;
    BlockBuilder builder_;
    BlockReader reader_;
    std::string bytes_;
    record::Record record_;
    size_t next_ = 0;
    uint64_t end_ = 0;
};

// Writes all of it; 0 or an errno value. `done` is what got there.
int write_all(int fd, std::string_view bytes, size_t& done);

}  // namespace cvf::history
