#include "sink/spool.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <deque>
#include <filesystem>
#include <optional>
#include <utility>
#include <vector>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace cvf::sink {

namespace {

constexpr uint32_t magic = 0x32565643;      // "CVV2", little endian
constexpr uint32_t most_bytes = 64u << 20;  // of an entry: a length beyond it is damage
constexpr std::string_view suffix = ".spool";
constexpr std::chrono::seconds bad_disk_patience{30};

// In the file as in memory: the folder does not leave its machine.
struct EntryHead {
    uint32_t magic;
    uint32_t length;
    uint64_t checksum;  // of the batch's head and bytes
    BatchHead batch;
};
static_assert(sizeof(BatchHead) == 24 && sizeof(EntryHead) == 40);

uint64_t checksum(const BatchHead& head, std::string_view bytes) {
    return XXH3_64bits_withSeed(bytes.data(), bytes.size(), XXH3_64bits(&head, sizeof head));
}

class Descriptor {
 public:
    explicit Descriptor(int fd = -1) : fd_(fd) {}
    Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Descriptor& operator=(Descriptor&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~Descriptor() {
        if (fd_ >= 0) ::close(fd_);
    }
    int get() const { return fd_; }
    explicit operator bool() const { return fd_ >= 0; }

 private:
    int fd_;
};

// 0, or an errno value; `ended`: the file has less.
constexpr int ended = -1;
int read_fully(int fd, void* to, size_t size, uint64_t at) {
    char* p = static_cast<char*>(to);
    while (size > 0) {
        const ssize_t got = ::pread(fd, p, size, static_cast<off_t>(at));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return errno;
        if (got == 0) return ended;
        p += got;
        at += static_cast<uint64_t>(got);
        size -= static_cast<size_t>(got);
    }
    return 0;
}

bool write_fully(int fd, const void* from, size_t size) {
    const char* p = static_cast<const char*>(from);
    while (size > 0) {
        const ssize_t put = ::write(fd, p, size);
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) return false;
        p += put;
        size -= static_cast<size_t>(put);
    }
    return true;
}

struct Segment {
    uint64_t number = 0;
    uint64_t size = 0;
    uint64_t entries = 0, records = 0;  // not yet done with
    Descriptor file;                    // open while read from or written to
};

class DirectorySpool final : public Spool {
 public:
    explicit DirectorySpool(SpoolOptions options) : options_(std::move(options)) {}

    std::optional<std::string> open() {
        std::error_code error;
        std::filesystem::create_directories(options_.directory, error);
        if (error) return fmt::format("spool {}: {}", options_.directory, error.message());
        lock_ = Descriptor(::open((options_.directory + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
        if (!lock_) return fmt::format("spool {}: {}", options_.directory, std::strerror(errno));
        if (::flock(lock_.get(), LOCK_EX | LOCK_NB) != 0)
            return fmt::format("spool {}: another process uses it; give each agent its own with --spool-directory",
                               options_.directory);
        std::vector<uint64_t> numbers;
        for (const auto& entry : std::filesystem::directory_iterator(options_.directory, error)) {
            const std::string name = entry.path().filename();
            uint64_t number = 0;
            const auto [end, wrong] = std::from_chars(name.data(), name.data() + name.size(), number);
            if (wrong == std::errc() && std::string_view(end) == suffix) numbers.push_back(number);
        }
        if (error) return fmt::format("spool {}: {}", options_.directory, error.message());
        std::ranges::sort(numbers);
        for (const uint64_t number : numbers) recover(number);
        next_number_ = numbers.empty() ? 1 : numbers.back() + 1;
        return std::nullopt;
    }

    bool append(const BatchHead& head, std::string_view bytes, double share) override {
        const uint64_t size = sizeof(EntryHead) + bytes.size();
        if (bytes.size() > most_bytes ||
            static_cast<double>(stats_.bytes + size) > static_cast<double>(options_.limit_bytes) * share)
            return false;
        if (!writing_ || segments_.back().size + size > options_.segment_bytes) {
            if (!begin_segment()) return false;
        }
        Segment& segment = segments_.back();
        const EntryHead entry{magic, static_cast<uint32_t>(bytes.size()), checksum(head, bytes), head};
        if (!write_fully(segment.file.get(), &entry, sizeof entry) ||
            !write_fully(segment.file.get(), bytes.data(), bytes.size())) {
            write_error_ = words(errno);
            // What came of it is cut off again, so that the segment stays whole.
            if (::ftruncate(segment.file.get(), static_cast<off_t>(segment.size)) != 0) writing_ = false;
            return false;
        }
        write_error_.clear();
        segment.size += size;
        segment.entries++;
        segment.records += head.records;
        dirty_ = true;
        stats_.bytes += size;
        stats_.entries++;
        stats_.records += head.records;
        return true;
    }

    std::optional<uint64_t> read(BatchHead& head, record::Buffer& bytes) override {
        while (reading_ < segments_.size()) {
            Segment& segment = segments_[reading_];
            if (read_at_ >= segment.size) {
                if (reading_ + 1 == segments_.size()) return std::nullopt;
                segment.file = Descriptor();
                reading_++;
                read_at_ = 0;
                continue;
            }
            if (!segment.file) segment.file = Descriptor(::open(path(segment.number).c_str(), O_RDONLY | O_CLOEXEC));
            if (!segment.file && errno != ENOENT) return later(errno);
            EntryHead entry;
            bytes.clear();
            int error = segment.file ? read_fully(segment.file.get(), &entry, sizeof entry, read_at_) : ended;
            bool good = error == 0 && entry.magic == magic && entry.length <= most_bytes &&
                        read_at_ + sizeof entry + entry.length <= segment.size;
            if (good) {
                char* to = bytes.reserve(entry.length);
                error = read_fully(segment.file.get(), to, entry.length, read_at_ + sizeof entry);
                if (error == 0) bytes.commit(to + entry.length);
                good = error == 0 && checksum(entry.batch, bytes.view()) == entry.checksum;
            }
            if (error > 0 && !given_up(error)) return later(error);
            failing_ = false;
            read_error_.clear();
            if (!good) {
                give_up_rest(segment);
                continue;
            }
            head = entry.batch;
            read_at_ += sizeof entry + entry.length;
            unfinished_.push_back({reading_base_ + reading_, entry.batch.records});
            return unfinished_base_ + unfinished_.size() - 1;
        }
        return std::nullopt;
    }

    void done(uint64_t number) override {
        if (number < unfinished_base_ || number - unfinished_base_ >= unfinished_.size()) return;
        Unfinished& entry = unfinished_[number - unfinished_base_];
        if (entry.done) return;
        entry.done = true;
        Segment& segment = segments_[entry.segment - reading_base_];
        segment.entries--;
        segment.records -= entry.records;
        stats_.entries--;
        stats_.records -= entry.records;
        while (!unfinished_.empty() && unfinished_.front().done) {
            unfinished_.pop_front();
            unfinished_base_++;
        }
        remove_done();
    }

    void tick() override {
        if (dirty_ && writing_) ::fdatasync(segments_.back().file.get());
        dirty_ = false;
    }

    SpoolStats stats() const override {
        SpoolStats stats = stats_;
        stats.last_error = write_error_.empty() ? read_error_ : write_error_;
        return stats;
    }

 private:
    // An entry that was read.
    struct Unfinished {
        size_t segment;  // counted from the first there ever was
        uint64_t records;
        bool done = false;
    };

    std::string words(int error) const { return fmt::format("spool {}: {}", options_.directory, std::strerror(error)); }

    std::optional<uint64_t> later(int error) {
        read_error_ = words(error);
        return std::nullopt;
    }

    // Whether what the disk has failed to give for so long is to be done without.
    bool given_up(int error) {
        if (error != EIO) return false;
        const auto now = std::chrono::steady_clock::now();
        if (!std::exchange(failing_, true)) failing_since_ = now;
        return now - failing_since_ >= bad_disk_patience;
    }

    std::string path(uint64_t number) const { return fmt::format("{}/{:012}{}", options_.directory, number, suffix); }

    // Counts the whole entries of a segment left by an earlier process and cuts off what is behind them.
    void recover(uint64_t number) {
        Segment segment;
        segment.number = number;
        segment.file = Descriptor(::open(path(number).c_str(), O_RDWR | O_CLOEXEC));
        struct stat info{};
        if (!segment.file || ::fstat(segment.file.get(), &info) != 0) return skip(number, errno);
        const auto end = static_cast<uint64_t>(info.st_size);
        EntryHead entry;
        while (segment.size + sizeof entry <= end) {
            const int error = read_fully(segment.file.get(), &entry, sizeof entry, segment.size);
            if (error > 0) return skip(number, error);
            if (error != 0 || entry.magic != magic || entry.length > most_bytes ||
                segment.size + sizeof entry + entry.length > end)
                break;
            segment.size += sizeof entry + entry.length;
            segment.entries++;
            segment.records += entry.batch.records;
        }
        if (segment.size < end) {
            stats_.damaged_bytes += end - segment.size;
            if (::ftruncate(segment.file.get(), static_cast<off_t>(segment.size)) != 0) return skip(number, errno);
        }
        if (segment.entries == 0) {
            ::unlink(path(number).c_str());
            return;
        }
        segment.file = Descriptor();
        stats_.bytes += segment.size;
        stats_.entries += segment.entries;
        stats_.records += segment.records;
        segments_.push_back(std::move(segment));
    }

    void skip(uint64_t number, int error) {
        stats_.skipped_segments++;
        read_error_ = fmt::format("{}: {}; it is left alone until the next start", path(number), std::strerror(error));
    }

    bool begin_segment() {
        tick();
        Segment segment;
        segment.number = next_number_;
        segment.file = Descriptor(::open(path(segment.number).c_str(), O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600));
        if (!segment.file) {
            write_error_ = words(errno);
            return false;
        }
        next_number_++;
        // A long outage makes many segments: only those written to and read from are open.
        if (!segments_.empty() && reading_ + 1 != segments_.size()) segments_.back().file = Descriptor();
        segments_.push_back(std::move(segment));
        writing_ = true;
        return true;
    }

    // An entry is damaged: where the next begins is not known.
    void give_up_rest(Segment& segment) {
        uint64_t entries = 0, records = 0;  // read already, whole
        for (const Unfinished& entry : unfinished_) {
            if (entry.done || entry.segment != reading_base_ + reading_) continue;
            entries++;
            records += entry.records;
        }
        stats_.damaged_bytes += segment.size - read_at_;
        stats_.damaged_records += segment.records - records;
        stats_.entries -= segment.entries - entries;
        stats_.records -= segment.records - records;
        segment.entries = entries;
        segment.records = records;
        read_at_ = segment.size;
        if (reading_ + 1 == segments_.size()) writing_ = false;  // nothing more is put behind the damage
        remove_done();
    }

    void remove_done() {
        while (!segments_.empty() && segments_.front().entries == 0) {
            const bool newest = segments_.size() == 1;
            if (reading_ == 0 && read_at_ < segments_.front().size) return;
            ::unlink(path(segments_.front().number).c_str());
            stats_.bytes -= segments_.front().size;
            segments_.pop_front();
            reading_base_++;
            if (reading_ > 0)
                reading_--;
            else
                read_at_ = 0;
            if (newest) writing_ = false;
        }
    }

    const SpoolOptions options_;
    Descriptor lock_;
    std::deque<Segment> segments_;  // oldest first
    size_t reading_base_ = 0;       // segments removed so far
    size_t reading_ = 0;            // the one read from
    uint64_t read_at_ = 0;
    std::deque<Unfinished> unfinished_;
    uint64_t unfinished_base_ = 1;  // the number of its first entry
    bool failing_ = false;          // the disk does not give what stands at read_at_
    std::chrono::steady_clock::time_point failing_since_;
    bool writing_ = false;  // the last segment is open for appending
    bool dirty_ = false;
    uint64_t next_number_ = 1;
    std::string write_error_, read_error_;
    SpoolStats stats_;  // but for last_error
};

}  // namespace

std::expected<std::unique_ptr<Spool>, std::string> Spool::open(SpoolOptions options) {
    auto spool = std::make_unique<DirectorySpool>(std::move(options));
    if (auto error = spool->open()) return std::unexpected(std::move(*error));
    return spool;
}

}  // namespace cvf::sink
