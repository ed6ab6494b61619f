// Sealed batches on their way to the bus: in memory and on disk until the broker has them.
//
// A batch is published in the order in which it came and stays in memory until it has arrived; what it held is free then,
// wherever it stood. One that did not arrive is sent again, at once the first time, then after a wait that doubles to a second.
// What can never arrive (too large for the bus) is lost and counted. So is a batch that the broker has not taken for `give_up`
// while it took others, and then at once what follows it of its record type and lane: a subject that may not be published to, a
// topic that can't be made. Of those one batch a second is tried, so that it is noticed when they may.
//
// With a spool: while the bus has been away for a second, all that waits is on disk, so that a kill costs no more than what was
// made within that second; and so it is while more than half of the memory waits, or anything does on disk. Batches are read back
// in the order in which they were written. Memory counts what batches hold, bookkeeping too. Where neither memory nor disk has
// room, a batch is lost and counted, the cheap types first: a part is kept for flow records and a last part for health.
//
// Thread rule: put() and finish() on one thread, which they never block but for finish(); all else on any. A thread of its own
// talks to the bus and the disk. Errors are counted and said once; never the end.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "bus/bus.h"
#include "sink/bus_batch.h"
#include "sink/record_sink.h"
#include "sink/sink.h"
#include "sink/spool.h"

namespace cvf::sink {

struct BusQueueOptions {
    std::string node;
    size_t memory_bytes;
    std::chrono::milliseconds give_up;
    Complaint complain;
};

class BusQueue {
 public:
    // `bus` outlives it. `spool` may be null.
    BusQueue(BusQueueOptions options, bus::Bus& bus, std::unique_ptr<Spool> spool);
    ~BusQueue();

    void put(std::unique_ptr<Batch> batch);
    // Waits at most so long until all has arrived; what has not is then kept on disk or lost.
    void finish(std::chrono::milliseconds wait);

    void settled(const bus::Settled& settled);
    void connection_changed();
    RecordSinkStats stats() const;

 private:
    using Clock = Batch::Clock;
    using BatchPtr = std::unique_ptr<Batch>;
    using Stream = std::pair<record::RecordType, uint16_t>;  // type and lane
    struct Failing {
        Clock::time_point since, next_try;
    };
    // Taken out of the queue to be put on disk.
    struct Moving {
        uint64_t token;  // 0: it has none yet
        BatchPtr batch;
    };

    void work();
    // The thread's, with the lock held but where they talk to the bus or the disk.
    void look_at_connection(std::unique_lock<std::mutex>& lock);
    void retire();
    void take_in(BatchPtr batch);
    void through_spool(std::unique_lock<std::mutex>& lock);
    std::vector<Moving> leave_memory();
    size_t read_back(size_t room, std::vector<BatchPtr>& read);
    void look_at_spool(const SpoolStats& now);
    std::optional<Clock::time_point> publish_waiting(std::unique_lock<std::mutex>& lock);
    bool out_of_patience(const Batch& batch, Clock::time_point now);

    // With the lock held.
    void wake();
    void arrived(Batch& batch, uint64_t token);
    void lose_full(const Batch& batch);
    void lose_refused(const Batch& batch);
    void keep_or_lose(const Batch& batch);
    std::string words_of_bus() const;

    const BusQueueOptions options_;
    bus::Bus& bus_;
    std::unique_ptr<Spool> spool_;             // the thread's, and finish()'s when that has ended
    const std::vector<std::string> subjects_;  // by type
    record::Buffer reading_;                   // the thread's
    bool finished_ = false;

    mutable std::mutex mutex_;
    std::condition_variable wake_, idle_;
    bool sleeping_ = false, work_due_ = false, stop_ = false, closed_ = false;
    std::deque<BatchPtr> incoming_;                         // oldest first
    std::map<uint64_t, BatchPtr> batches_;                  // to be published or not yet arrived, by token
    std::set<std::pair<Clock::time_point, uint64_t>> due_;  // of those that wait: when to send it, token
    std::vector<uint64_t> arrived_;                         // tokens, to be let go of
    std::vector<uint64_t> done_;                            // entries of the spool that are not needed any more
    uint64_t last_token_ = 0;
    size_t memory_ = 0;             // of all batches here
    size_t incoming_memory_ = 0;    // of those not taken in yet
    size_t from_spool_ = 0;         // batches here that stand in the spool, too
    uint64_t unread_ = 0;           // entries of the spool that are not here
    bool leave_memory_due_ = true;  // something may wait in memory only

    bool connected_ = false, look_due_ = true;
    Clock::time_point away_since_ = Clock::now(), next_look_{};
    std::map<Stream, Failing> failing_;  // of which something was sent since and nothing has arrived
    Clock::time_point last_delivery_{};

    uint64_t given_ = 0, delivered_ = 0, lost_ = 0, bytes_ = 0;
    bool said_full_ = false, said_refused_ = false;
    SpoolStats on_disk_;
    std::string refusal_;  // why what was refused last was
    Clock::time_point refused_at_{};
    std::thread thread_;
};

}  // namespace cvf::sink
