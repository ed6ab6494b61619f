#include "history/compact.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "record/parse.h"

namespace cvf::history {

int write_all(int fd, std::string_view bytes, size_t& done) {
    done = 0;
    while (done < bytes.size()) {
        const ssize_t n = ::write(fd, bytes.data() + done, bytes.size() - done);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return n < 0 ? errno : EIO;
        done += static_cast<size_t>(n);
    }
    return 0;
}

Compaction::Compaction(std::vector<BlockRef> from, std::string path, BlockLevels levels)
    : from_(std::move(from)), path_(std::move(path)), builder_(levels) {
    const int fd = ::open(path_.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    if (fd >= 0) file_ = std::make_shared<const File>(fd);
}

Compaction::~Compaction() {
    if (!path_.empty()) ::unlink(path_.c_str());
}

bool Compaction::write_block() {
    bytes_.clear();
    size_t done = 0;
    if (!builder_.finish(bytes_) || write_all(file_->fd(), bytes_, done) != 0) return false;
    if (bytes_.empty()) return true;
    const auto info = info_of(bytes_, end_);
    if (!info) return false;
    blocks_.push_back(*info);
    end_ += bytes_.size();
    return true;
}

Compaction::State Compaction::step(uint32_t records) {
    if (!file_) return State::failed;
    for (uint32_t done = 0; next_ < from_.size(); ++next_) {
        if (done >= records) return State::more;
        // A damaged block stays where it is, to be counted by those who read it.
        if (!reader_.open(from_[next_]) || reader_.lines().empty()) return State::failed;
        for (const std::string_view line : reader_.lines()) {
            if (!record::parse_record(line, record_)) return State::failed;
            if (builder_.full() && !write_block()) return State::failed;
            builder_.add(record_, line);
        }
        done += from_[next_].info.records;
    }
    return write_block() && ::fdatasync(file_->fd()) == 0 ? State::done : State::failed;
}

}  // namespace cvf::history
