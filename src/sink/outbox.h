// What waits for a far side that may be slow or gone: a bounded queue of parcels and the thread that takes them there, one after
// the other, again and again until it knows what became of each.
//
// Accounting: each record is told by give() and ends as delivered or lost; what is neither is waiting. A parcel for which there
// is no room is lost at once, so that memory stays within its bound and the pipeline never waits. After a failure the thread
// waits, each time twice as long (and by chance a little more or less, so that a fleet does not come back in step), or as long as
// the far side has asked for.
//
// Thread rule: give(), lose(), begin(), put() and finish() on one thread; stats() on any. The carrier is used by the outbox's own
// thread alone, and made and destroyed outside of it. Errors: never thrown; said through `complain`, an outage once, loss once.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "record/buffer.h"
#include "sink/record_sink.h"
#include "sink/sink.h"

namespace cvf::sink {

// Encoded records that go together.
struct Parcel {
    record::Buffer bytes;
    size_t records = 0;
    size_t points = 0;  // parts that the far side may refuse one by one, where these are not records
    uint8_t kind = 0;   // the carrier's own
};
using ParcelPtr = std::unique_ptr<Parcel>;

struct Sent {
    enum class Fate : uint8_t {
        delivered,
        refused,  // it will never be taken
        again,    // not now, or nobody knows
    };
    Fate fate = Fate::delivered;
    size_t lost = 0;                     // delivered: so many of the records were not taken all the same
    std::chrono::milliseconds after{0};  // again: not before; 0: the far side has not said
    std::string error;                   // for people; may stand beside delivered too, when some were not taken
};

class Carrier {
 public:
    virtual ~Carrier() = default;
    // Blocks until the fate is known or `stop` is set, which it looks at about every 100 ms.
    virtual Sent send(Parcel& parcel, const std::atomic<bool>& stop) = 0;
};

struct OutboxOptions {
    std::string name;  // in complaints: "otlp http://10.0.0.1:4318"
    size_t memory_bytes = 16u << 20;
    std::chrono::milliseconds first_wait{500}, longest_wait{30000};
    Complaint complain = {};
};

class Outbox {
 public:
    Outbox(OutboxOptions options, std::unique_ptr<Carrier> carrier);
    ~Outbox();  // finish() without waiting, if it was not called
    Outbox(const Outbox&) = delete;
    Outbox& operator=(const Outbox&) = delete;

    void give(size_t records) { given_.fetch_add(records, std::memory_order_relaxed); }
    void lose(size_t records, const char* why);
    ParcelPtr begin();  // an empty one
    void put(ParcelPtr parcel);
    void finish(std::chrono::milliseconds wait);
    RecordSinkStats stats() const;

 private:
    void work();
    bool settle(const Sent& sent);
    void pop();
    void recycle(ParcelPtr parcel);
    std::chrono::milliseconds back_off(std::chrono::milliseconds asked);
    static size_t size_of(const Parcel& parcel) { return parcel.bytes.size() + 256; }

    OutboxOptions options_;
    std::unique_ptr<Carrier> carrier_;
    std::atomic<uint64_t> given_{0};
    std::atomic<bool> stop_{false};  // set under the mutex

    mutable std::mutex mutex_;
    std::condition_variable wake_, idle_;
    std::deque<ParcelPtr> queue_;  // the first is with the carrier
    std::vector<ParcelPtr> spare_;
    size_t memory_ = 0;
    uint64_t delivered_ = 0, lost_ = 0, bytes_ = 0;
    bool connected_ = true, finishing_ = false, loss_told_ = false, finished_ = false;
    std::string last_error_;

    // The thread's own.
    unsigned failures_ = 0;
    std::chrono::steady_clock::time_point next_complaint_{};
    std::minstd_rand random_;
    std::thread thread_;
};

}  // namespace cvf::sink
