#include "sink/threaded.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace cvf::sink {
namespace {

constexpr auto tick_interval = std::chrono::seconds(1);
constexpr size_t kept_capacity = 256 * 1024;  // a buffer that a burst made bigger gives its memory back

class ThreadedSink final : public Sink {
 public:
    ThreadedSink(std::unique_ptr<Sink> inner, ThreadedOptions options)
        : inner_(std::move(inner)), options_(options), wake_bytes_(std::min(options.wake_bytes, options.buffer_bytes / 4)) {
        sigset_t all, before;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        thread_ = std::thread([this] { run(); });
        pthread_sigmask(SIG_SETMASK, &before, nullptr);
    }
    ~ThreadedSink() override { ThreadedSink::finish(); }

    void write(std::string_view lines, size_t records) override {
        bool wake = false;
        {
            const std::lock_guard lock(mutex_);
            if (finished_ || filling_.size() + lines.size() > options_.buffer_bytes) {
                lost_.fetch_add(records, std::memory_order_relaxed);
                return;
            }
            filling_.append(lines);
            filling_records_ += records;
            wake = sleeping_ || (resting_ && filling_.size() >= wake_bytes_);
            if (wake) sleeping_ = resting_ = false;
        }
        if (wake) work_.notify_one();
    }

    void flush() override {
        std::unique_lock lock(mutex_);
        if (finished_) return;
        const uint64_t turn = ++flush_wanted_;
        sleeping_ = false;
        work_.notify_one();
        done_.wait(lock, [&] { return flush_done_ >= turn; });
    }

    void finish() override {
        {
            std::unique_lock lock(mutex_);
            if (finished_) return;
            finished_ = true;
            work_.notify_one();
            if (!done_.wait_for(lock, options_.grace, [&] { return ended_; })) inner_->interrupt();
        }
        thread_.join();
    }

    SinkStats stats() const override {
        SinkStats stats = inner_->stats();
        stats.records_overrun = lost_.load(std::memory_order_relaxed);
        stats.records_lost += stats.records_overrun;
        return stats;
    }
    bool closed() const override { return inner_->closed(); }
    void interrupt() override { inner_->interrupt(); }

 private:
    void run() {
        pthread_setname_np(pthread_self(), "cvf-sink");
        const bool ticks = inner_->needs_tick();
        auto next_tick = std::chrono::steady_clock::now() + tick_interval;
        std::string writing;
        std::unique_lock lock(mutex_);
        for (;;) {
            while (filling_.empty() && !finished_ && flush_done_ == flush_wanted_) {
                sleeping_ = true;
                if (!ticks) {
                    work_.wait(lock);
                } else if (work_.wait_until(lock, next_tick) == std::cv_status::timeout) {
                    break;
                }
            }
            sleeping_ = false;
            std::swap(writing, filling_);
            const size_t records = filling_records_;
            const uint64_t flush = flush_wanted_;
            const bool last = finished_;
            filling_records_ = 0;
            lock.unlock();

            const bool wrote = !writing.empty();
            if (wrote) inner_->write(writing, records);
            writing.clear();
            if (writing.capacity() > kept_capacity) writing.shrink_to_fit();
            if (flush != flush_done_) inner_->flush();
            if (ticks && std::chrono::steady_clock::now() >= next_tick) {
                inner_->tick();
                next_tick = std::chrono::steady_clock::now() + tick_interval;
            }
            if (last) inner_->finish();

            lock.lock();
            flush_done_ = flush;
            if (last) ended_ = true;
            done_.notify_all();
            if (last) return;
            if (wrote) rest(lock);
        }
    }

    void rest(std::unique_lock<std::mutex>& lock) {
        resting_ = true;
        work_.wait_for(lock, options_.rest,
                       [this] { return finished_ || flush_done_ != flush_wanted_ || filling_.size() >= wake_bytes_; });
        resting_ = false;
    }

    std::unique_ptr<Sink> inner_;
    const ThreadedOptions options_;
    const size_t wake_bytes_;
    std::mutex mutex_;
    std::condition_variable work_, done_;
    std::string filling_;
    size_t filling_records_ = 0;
    uint64_t flush_wanted_ = 0, flush_done_ = 0;
    // What the thread waits for: anything at all, or for enough.
    bool sleeping_ = false, resting_ = false;
    bool finished_ = false, ended_ = false;
    std::atomic<uint64_t> lost_{0};
    std::thread thread_;
};

}  // namespace

std::unique_ptr<Sink> make_threaded_sink(std::unique_ptr<Sink> inner, ThreadedOptions options) {
    return std::make_unique<ThreadedSink>(std::move(inner), options);
}

}  // namespace cvf::sink
