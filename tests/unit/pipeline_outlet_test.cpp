// What has become of an outlet's records: at any moment made = written + lost + waiting.
#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>
#include <thread>

#include "pipeline/outlet.h"
#include "sink/threaded.h"

namespace cvf::pipeline {
namespace {

using record::Field;
using record::RecordType;

// A far side that takes nothing before it is let.
struct Gate {
    std::mutex mutex;
    std::condition_variable changed;
    bool open = false, entered = false;
    uint64_t taken = 0;
};

class Gated final : public sink::Sink {
 public:
    explicit Gated(Gate& gate) : gate_(gate) {}
    void write(std::string_view, size_t records) override {
        std::unique_lock lock(gate_.mutex);
        gate_.entered = true;
        gate_.changed.notify_all();
        gate_.changed.wait(lock, [&] { return gate_.open; });
        gate_.taken += records;
    }
    void flush() override {}
    sink::SinkStats stats() const override {
        const std::lock_guard lock(gate_.mutex);
        sink::SinkStats stats;
        stats.records_written = gate_.taken;
        return stats;
    }
    bool closed() const override { return false; }
    void interrupt() override {
        const std::lock_guard lock(gate_.mutex);
        gate_.open = true;
        gate_.changed.notify_all();
    }

 private:
    Gate& gate_;
};

struct OutletAccounts : testing::Test {
    Gate gate;
    record::Record record;

    Outlet outlet(Selection selection, size_t buffer_bytes) {
        sink::ThreadedOptions options;
        options.buffer_bytes = buffer_bytes;
        return {std::move(selection), sink::make_threaded_sink(std::make_unique<Gated>(gate), options)};
    }
    void emit(Outlet& out, int records, RecordType type = RecordType::dns) {
        for (int i = 0; i < records; i++) {
            record.begin(type, 1'700'000'000'000'000'000 + i);
            record.text(Field::record_id, "0123456789abcdef");
            out.emit(record);
        }
    }
    static void expect(const RecordCounts& c, uint64_t made, uint64_t written, uint64_t lost, uint64_t waiting) {
        EXPECT_EQ(c.made, made);
        EXPECT_EQ(c.written, written);
        EXPECT_EQ(c.lost, lost);
        EXPECT_EQ(c.waiting, waiting);
    }
};

TEST_F(OutletAccounts, what_is_in_the_batch_the_buffer_or_the_writers_hands_is_waiting) {
    Outlet out = outlet({}, 1 << 20);
    emit(out, 3);
    expect(out.counts(), 3, 0, 0, 3);
    out.flush();  // to the thread, which waits at the gate
    {
        std::unique_lock lock(gate.mutex);
        gate.changed.wait(lock, [&] { return gate.entered; });
    }
    emit(out, 4);
    out.flush();
    emit(out, 2);
    expect(out.counts(), 9, 0, 0, 9);
    out.sink().interrupt();  // opens the gate
    out.flush();
    out.sink().flush();
    expect(out.counts(), 9, 9, 0, 0);
}

TEST_F(OutletAccounts, what_the_buffer_has_no_room_for_is_lost_and_waits_no_more) {
    Outlet out = outlet({}, 1000);
    emit(out, 1);
    out.flush();
    {
        std::unique_lock lock(gate.mutex);
        gate.changed.wait(lock, [&] { return gate.entered; });
    }
    emit(out, 100);  // one batch, larger than the buffer
    out.flush();
    expect(out.counts(), 101, 0, 100, 1);
    out.sink().interrupt();
    out.finish();
    expect(out.counts(), 101, 1, 100, 0);
}

TEST_F(OutletAccounts, what_the_selection_leaves_out_was_never_made) {
    Selection selection;
    selection.types.reset(static_cast<size_t>(RecordType::http));
    Outlet out = outlet(std::move(selection), 1 << 20);
    out.sink().interrupt();
    emit(out, 5, RecordType::http);
    emit(out, 2);
    out.finish();
    expect(out.counts(), 2, 2, 0, 0);
}

}  // namespace
}  // namespace cvf::pipeline
