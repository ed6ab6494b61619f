// Live records for those who ask for them now: HTTP subscribers, each with its own filter, fields and bounded queue.
//
// The pipeline's thread publishes into the Hub; each subscriber takes batches from its Subscription on a thread of its own. While
// nobody has subscribed to a type, publish() of it costs one relaxed load. A subscriber that is slow loses records of its own,
// never the pipeline's time: they are counted and the count is handed over in its place in the stream.
//
// Thread rule: publish() and flush(): one thread, the pipeline's. subscribe(), unsubscribe(), subscribers(): any thread.
// Subscription::take(): one thread per subscription. A selector and the wake function run on the pipeline's thread.
// Errors: none; what can't be kept is counted.
#pragma once

#include <atomic>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "record/json.h"
#include "record/record.h"

namespace cvf::sink {

// Decides record by record. Used by one thread.
class Selector {
 public:
    virtual ~Selector() = default;
    virtual bool matches(const record::Record& record) = 0;
    // As a filter expression; empty: it is not one, or not known. Any thread.
    virtual std::string_view expression() const { return {}; }
};

using TypeBits = std::bitset<record::type_count>;

struct SubscriptionOptions {
    TypeBits types = TypeBits().set();
    std::unique_ptr<Selector> selector;            // null: every record of the types
    std::optional<record::Projection> projection;  // none: all fields
    std::string before_line, after_line;           // framing around each JSON line ("data: ", "\n" for server-sent events)
    size_t queue_bytes = 4 * 1024 * 1024;          // of memory, for one batch at least
    size_t batch_bytes = 32 * 1024;                // a batch is handed on when it has this much, or at flush()
    std::function<void()> wake;                    // take() has something again, after it had nothing
};

class Subscription {
 public:
    explicit Subscription(SubscriptionOptions options) : options_(std::move(options)) {}

    struct Taken {
        uint64_t lost_before = 0;  // records lost between the batch taken before and this one
        size_t records = 0;        // in the batch
        const record::Buffer* batch =
            nullptr;  // null: nothing there now (lost_before may still be set). Valid until the next take()
    };
    Taken take();

    uint64_t lost() const { return lost_total_.load(std::memory_order_relaxed); }
    uint64_t queued() const { return records_.load(std::memory_order_relaxed); }  // records put in the queue so far

 private:
    friend class Hub;
    struct Batch {
        record::Buffer bytes;
        size_t records = 0;
        uint64_t lost_before = 0;
        size_t cost() const { return sizeof(Batch) + bytes.size() + bytes.room(); }
    };

    void publish(const record::Record& record);
    void seal();

    const SubscriptionOptions options_;
    // The pipeline's thread.
    std::unique_ptr<Batch> filling_;
    // The subscriber's thread.
    std::unique_ptr<Batch> reading_;
    // Both.
    std::mutex mutex_;
    std::deque<std::unique_ptr<Batch>> queue_;   // oldest first
    std::vector<std::unique_ptr<Batch>> spare_;  // emptied, to be filled again
    size_t queue_bytes_ = 0;
    uint64_t lost_pending_ = 0;  // not yet told
    bool waiting_ = true;        // the subscriber has seen an empty queue and sleeps
    std::atomic<uint64_t> lost_total_{0}, records_{0};
};

class Hub {
 public:
    std::shared_ptr<Subscription> subscribe(SubscriptionOptions options);
    // No record is published to it after the pipeline's next flush(), and its wake function may be called until then.
    void unsubscribe(const std::shared_ptr<Subscription>& subscription);
    size_t subscribers() const;
    // Changes whenever somebody comes or goes.
    uint64_t generation() const { return generation_.load(std::memory_order_relaxed); }
    // Each subscriber's wishes, one after another, while none comes or goes.
    void each(const std::function<void(const SubscriptionOptions&)>& see) const;

    // False when nobody subscribes to this type: the record need not be made for the hub's sake.
    bool wants(record::RecordType type) const {
        return (types_.load(std::memory_order_relaxed) >> static_cast<unsigned>(type)) & 1;
    }

    void publish(const record::Record& record) {
        if (wants(record.type())) publish_to_all(record);
    }
    // Hands every batch begun to its subscriber. For each turn of the pipeline (some milliseconds).
    void flush() {
        if (generation_.load(std::memory_order_relaxed) != seen_ || !current_.empty()) flush_all();
    }

 private:
    static_assert(record::type_count <= 64);
    void publish_to_all(const record::Record& record);
    void flush_all();
    void reload();

    mutable std::mutex mutex_;
    std::vector<std::shared_ptr<Subscription>> subscriptions_;
    std::atomic<uint64_t> types_{0};       // union over all subscriptions, a bit each
    std::atomic<uint64_t> generation_{0};  // counts changes of subscriptions_
    // The pipeline's thread.
    std::vector<std::shared_ptr<Subscription>> current_;
    uint64_t seen_ = 0;
};

}  // namespace cvf::sink
