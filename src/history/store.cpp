#include "history/store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <deque>
#include <filesystem>
#include <mutex>
#include <system_error>

#include "history/compact.h"
#include "history/run.h"
#include "record/parse.h"
#include "sink/tally.h"

namespace cvf::history {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr std::string_view suffix = ".jsonl.zst";
constexpr uint32_t small_block = 4096;       // records; segments whose blocks are smaller on average are packed
constexpr size_t many_segments = 256;        // each is an open file: from here on they must be worth it
constexpr uint32_t packed_at_once = 10'000;  // records; some 50 ms
constexpr auto retry_interval = std::chrono::seconds(1);

struct Segment {
    uint64_t number = 0;
    std::shared_ptr<const File> file;
    std::vector<BlockInfo> blocks;
    uint64_t bytes = 0;
    uint64_t records = 0;
    int64_t written = INT64_MAX;  // UTC ns, the last time, by the clock of then; not known while it is being written
    int64_t first = INT64_MAX, last = INT64_MIN;

    Segment(uint64_t n, std::shared_ptr<const File> f) : number(n), file(std::move(f)) {}
    void add(const BlockInfo& block) {
        blocks.push_back(block);
        records += block.records;
        first = std::min(first, block.first);
        last = std::max(last, block.last);
    }
};

bool is_small(const Segment& s) {
    return s.blocks.size() > 1 && s.records / s.blocks.size() < small_block;
}

int64_t utc_now() {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string text_of(int error) {
    return std::generic_category().message(error);
}

class Store final : public History {
 public:
    explicit Store(StoreOptions options) : options_(std::move(options)), tally_(options_.complain), builder_(options_.levels) {
        options_.segment_bytes = std::max<uint64_t>(std::min(options_.segment_bytes, options_.max_bytes / 8), 1);
    }
    ~Store() override {
        Store::flush();
        compaction_.reset();
        if (!segments_.empty()) ::fdatasync(segments_.back().file->fd());
        if (lock_ >= 0) ::close(lock_);
    }

    std::expected<void, std::string> open() {
        const auto failed = [&](std::string_view what) {
            return std::unexpected(fmt::format("history in {}: {}", options_.folder, what));
        };
        std::error_code error;
        fs::create_directories(options_.folder, error);
        if (error) return failed(error.message());
        lock_ = ::open((options_.folder + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640);
        if (lock_ < 0) return failed(text_of(errno));
        if (::flock(lock_, LOCK_EX | LOCK_NB) != 0) return failed("another program writes it (it holds the file 'lock')");
        std::vector<uint64_t> numbers;
        for (const auto& entry : fs::directory_iterator(options_.folder, error)) {
            const std::string name = entry.path().filename().string();
            if (name.ends_with(".packing")) ::unlink(entry.path().c_str());
            if (!name.ends_with(suffix)) continue;
            uint64_t number = 0;
            const char* end = name.data() + name.size() - suffix.size();
            if (const auto [rest, bad] = std::from_chars(name.data(), end, number); bad == std::errc{} && rest == end)
                numbers.push_back(number);
        }
        if (error) return failed(error.message());
        std::ranges::sort(numbers);
        for (const uint64_t number : numbers) {
            const int fd = ::open(path_of(number).c_str(), O_RDWR | O_CLOEXEC);
            if (fd < 0) return failed(fmt::format("{}: {}", path_of(number), text_of(errno)));
            Segment segment(number, std::make_shared<const File>(fd));
            const bool newest = number == numbers.back();
            const SegmentBlocks found = find_blocks(*segment.file, newest);
            if (found.newer)
                return failed(fmt::format("{} was written by a newer cvf; use that, or another folder", path_of(number)));
            cut_bytes_ += found.size - found.end;
            if (newest && found.size > found.end && ::ftruncate(fd, static_cast<off_t>(found.end)) != 0)
                return failed(fmt::format("{}: {}", path_of(number), text_of(errno)));
            for (const BlockInfo& block : found.blocks) segment.add(block);
            segment.bytes = newest ? found.end : found.size;
            if (struct stat st{}; !newest && ::fstat(fd, &st) == 0)
                segment.written = st.st_mtim.tv_sec * 1'000'000'000 + st.st_mtim.tv_nsec;
            if (newest)
                ::lseek(fd, static_cast<off_t>(found.end), SEEK_SET);
            else if (is_small(segment))
                to_pack_.push_back(number);
            next_number_ = number + 1;
            segments_.push_back(std::move(segment));
        }
        writable_ = !segments_.empty();
        begun_ = Clock::now();
        if (cut_bytes_ > 0)
            (options_.complain ? options_.complain : sink::complain_on_stderr)(fmt::format(
                "history in {}: {} bytes were damaged or half-written and are left out", options_.folder, cut_bytes_));
        drop_for_size();
        drop_for_age();
        return {};
    }

    void write(std::string_view lines) override {
        while (!lines.empty()) {
            const size_t end = std::min(lines.find('\n'), lines.size() - 1) + 1;
            const std::string_view line = lines.substr(0, end);
            lines.remove_prefix(end);
            if (!record::parse_record(line, record_)) {
                refused_.fetch_add(1, std::memory_order_relaxed);
                continue;
            }
            if (builder_.records() == 0) filling_since_ = Clock::now();
            builder_.add(record_, line);
            if (builder_.full()) write_block();
        }
        if (builder_.records() > 0 && Clock::now() - filling_since_ >= options_.flush_interval) write_block();
    }

    void tick() override {
        write_block();
        if (writable_ && segments_.back().records > 0 && Clock::now() - begun_ >= options_.segment_age) seal_if_worth_it();
        drop_for_size();
        drop_for_age();
        pack_a_little();
    }

    void flush() override { write_block(); }

    std::expected<Progress, std::string> query(const Query& query, const Receiver& receiver) const override {
        std::vector<BlockRef> blocks;
        {
            const std::lock_guard guard(mutex_);
            for (const Segment& s : segments_) {
                if (s.last < query.since || s.first >= query.until) continue;
                for (const BlockInfo& b : s.blocks)
                    if (b.last >= query.since && b.first < query.until) blocks.push_back({s.file, b});
            }
        }
        return run(query, std::move(blocks), receiver);
    }

    Stats counters() const override {
        const sink::SinkStats tally = tally_.snapshot();
        Stats stats;
        stats.written = tally.records_written;
        stats.lost = tally.records_lost;
        stats.last_error = tally.last_error;
        stats.refused = refused_.load(std::memory_order_relaxed);
        const std::lock_guard guard(mutex_);
        stats.cut_bytes = cut_bytes_;
        stats.dropped_records = dropped_records_;
        stats.dropped_segments = dropped_segments_;
        return stats;
    }

    Stats stats() const override {
        Stats stats = counters();
        const std::lock_guard guard(mutex_);
        stats.segments = segments_.size();
        int64_t first = INT64_MAX, last = INT64_MIN;
        for (const Segment& s : segments_) {
            stats.records += s.records;
            stats.bytes += s.bytes;
            first = std::min(first, s.first);
            last = std::max(last, s.last);
        }
        if (stats.records > 0) stats.first = first, stats.last = last;
        return stats;
    }

 private:
    std::string path_of(uint64_t number) const { return fmt::format("{}/{:012}{}", options_.folder, number, suffix); }

    bool begin_segment() {
        if (Clock::now() < retry_at_) return false;
        const std::string path = path_of(next_number_);
        const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
        if (fd < 0) {
            tally_.failed(path, errno);
            retry_at_ = Clock::now() + retry_interval;
            return false;
        }
        const std::lock_guard guard(mutex_);
        segments_.emplace_back(next_number_++, std::make_shared<const File>(fd));
        writable_ = true;
        begun_ = Clock::now();
        return true;
    }

    void write_block() {
        const uint32_t records = builder_.records();
        if (records == 0) return;
        block_.clear();
        if (!builder_.finish(block_)) return tally_.lost(records);
        if (!writable_ && !begin_segment()) return tally_.lost(records);
        const int fd = segments_.back().file->fd();
        const uint64_t at = segments_.back().bytes;
        size_t done = 0;
        const int error = write_all(fd, block_, done);
        const auto info = error == 0 ? info_of(block_, at) : std::nullopt;
        if (!info) {
            tally_.failed(path_of(segments_.back().number), error ? error : EIO);
            tally_.lost(records);
            // Back to the last whole block; where even that fails, the next segment is a new one.
            if (done > 0 && (::ftruncate(fd, static_cast<off_t>(at)) != 0 || ::lseek(fd, static_cast<off_t>(at), SEEK_SET) < 0))
                writable_ = false;
            return;
        }
        {
            const std::lock_guard guard(mutex_);
            segments_.back().add(*info);
            segments_.back().bytes = info->end();
        }
        tally_.written(records, block_.size());
        tally_.works_again();
        if (segments_.back().bytes >= options_.segment_bytes) seal_if_worth_it();
        drop_for_size();
    }

    void seal_if_worth_it() {
        if (segments_.size() < many_segments || segments_.back().bytes >= options_.max_bytes / many_segments) seal();
    }

    // The next block begins another segment.
    void seal() {
        Segment& s = segments_.back();
        ::fdatasync(s.file->fd());
        s.written = utc_now();
        if (is_small(s)) to_pack_.push_back(s.number);
        writable_ = false;
    }

    void drop(const std::deque<Segment>::iterator& at) {
        ::unlink(path_of(at->number).c_str());
        const std::lock_guard guard(mutex_);
        dropped_records_ += at->records;
        ++dropped_segments_;
        segments_.erase(at);
    }

    void drop_for_size() {
        uint64_t bytes = 0;
        for (const Segment& s : segments_) bytes += s.bytes;
        while (bytes > options_.max_bytes && segments_.size() > (writable_ ? 1 : 0)) {
            bytes -= segments_.front().bytes;
            drop(segments_.begin());
        }
    }

    // Wherever it stands: a segment is as old as its records or its writing, whichever is earlier, so that a record dated in the
    // future keeps nothing. One at a time: a clock that is wrong for a moment costs little.
    void drop_for_age() {
        const int64_t oldest = utc_now() - std::chrono::nanoseconds(options_.max_age).count();
        const auto end = segments_.end() - (writable_ ? 1 : 0);
        const auto old = std::find_if(segments_.begin(), end, [&](const Segment& s) {
            return std::min(s.records > 0 ? s.last : INT64_MAX, s.written) < oldest;
        });
        if (old != end) drop(old);
    }

    void pack_a_little() {
        if (!compaction_) {
            if (to_pack_.empty()) return;
            packing_ = to_pack_.front();
            to_pack_.pop_front();
            const Segment* s = find(packing_);
            if (!s) return;
            std::vector<BlockRef> blocks;
            for (const BlockInfo& b : s->blocks) blocks.push_back({s->file, b});
            compaction_ = std::make_unique<Compaction>(std::move(blocks), path_of(packing_) + ".packing", options_.levels);
        }
        const Compaction::State state = compaction_->step(packed_at_once);
        if (state == Compaction::State::more) return;
        Segment* s = find(packing_);
        const std::string path = path_of(packing_);
        if (state == Compaction::State::done && s && ::rename((path + ".packing").c_str(), path.c_str()) == 0) {
            compaction_->keep();
            Segment packed(packing_, compaction_->file());
            packed.written = s->written;  // on disk too: it is no younger for being packed
            const timespec time{s->written / 1'000'000'000, s->written % 1'000'000'000};
            const timespec times[] = {time, time};
            ::futimens(packed.file->fd(), times);
            for (const BlockInfo& b : compaction_->blocks()) packed.add(b);
            packed.bytes = packed.blocks.empty() ? 0 : packed.blocks.back().end();
            const std::lock_guard guard(mutex_);
            *s = std::move(packed);
        }
        compaction_.reset();
    }

    Segment* find(uint64_t number) {
        const auto at = std::ranges::find(segments_, number, &Segment::number);
        return at == segments_.end() ? nullptr : &*at;
    }

    StoreOptions options_;
    sink::Tally tally_;
    int lock_ = -1;

    // The writer's own.
    BlockBuilder builder_;
    record::Record record_;
    std::string block_;
    Clock::time_point filling_since_{}, begun_{}, retry_at_{};
    uint64_t next_number_ = 1;
    bool writable_ = false;  // the last segment is being appended to
    std::deque<uint64_t> to_pack_;
    std::unique_ptr<Compaction> compaction_;
    uint64_t packing_ = 0;
    std::atomic<uint64_t> refused_{0};

    // Changed by the writer under the mutex; read by it without, by others under it.
    mutable std::mutex mutex_;
    std::deque<Segment> segments_;
    uint64_t cut_bytes_ = 0, dropped_records_ = 0, dropped_segments_ = 0;
};

}  // namespace

std::expected<std::unique_ptr<History>, std::string> open_store(StoreOptions options) {
    auto store = std::make_unique<Store>(std::move(options));
    if (const auto opened = store->open(); !opened) return std::unexpected(opened.error());
    return store;
}

}  // namespace cvf::history
