#include "sink/lines.h"

#include <atomic>

namespace cvf::sink {

namespace {

class Lines final : public RecordSink {
 public:
    Lines(std::unique_ptr<Sink> below, size_t batch_bytes) : below_(std::move(below)), batch_bytes_(batch_bytes) {}

    size_t write(const record::Record& record, const record::Projection* fields) override {
        const size_t before = batch_.size();
        record::write_json(record, fields, batch_);
        const size_t bytes = batch_.size() - before;
        records_++;
        given_.fetch_add(1, std::memory_order_relaxed);
        bytes_.fetch_add(bytes, std::memory_order_relaxed);
        if (batch_.size() >= batch_bytes_) flush();
        return bytes;
    }

    void flush() override {
        if (records_ == 0) return;
        below_->write(batch_.view(), records_);
        batch_.clear();
        records_ = 0;
    }

    void tick() override {
        if (below_->needs_tick()) below_->tick();
    }

    void finish(std::chrono::milliseconds) override {
        flush();
        below_->finish();
    }

    RecordSinkStats stats() const override {
        const SinkStats below = below_->stats();
        RecordSinkStats stats;
        stats.delivered = below.records_written;
        stats.lost = below.records_lost;
        stats.given = given_.load(std::memory_order_relaxed);
        stats.bytes = bytes_.load(std::memory_order_relaxed);
        const uint64_t settled = stats.delivered + stats.lost;
        stats.waiting = stats.given > settled ? stats.given - settled : 0;
        stats.connected = !below_->closed();
        stats.last_error = below.last_error;
        return stats;
    }

 private:
    std::unique_ptr<Sink> below_;
    const size_t batch_bytes_;
    record::Buffer batch_;
    size_t records_ = 0;
    std::atomic<uint64_t> given_{0}, bytes_{0};
};

}  // namespace

std::unique_ptr<RecordSink> make_lines_sink(std::unique_ptr<Sink> below, size_t batch_bytes) {
    return std::make_unique<Lines>(std::move(below), batch_bytes);
}

}  // namespace cvf::sink
