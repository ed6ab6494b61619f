// A bucket as Kafka keeps it: a compacted topic, read from its beginning.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "bus/kafka_producer.h"
#include "bus/ledger.h"
#include "bus/worker.h"

namespace cvf::bus {

// Tells the handler what the topic holds, that it has caught up, and each change. When the topic turns out to be gone it begins
// anew and tells the difference. `read_to`, if any, is told the revision up to which all has been read and handed over.
std::shared_ptr<Worker> watch_kafka(const Address& address, const Options& options, Ledger& ledger, KafkaProducer& producer,
                                    std::string bucket, OnDocument handler, std::function<void(uint64_t revision)> read_to = {});

// The revisions of a bucket's documents, followed by a watch: what `expected` is held against.
class KafkaRevisions {
 public:
    void changed(const Document* document);
    void read_to(uint64_t revision);
    // Waits until all up to this revision has been read.
    bool wait_for(uint64_t revision, std::chrono::milliseconds wait);
    // 0: there is no such document.
    uint64_t of(std::string_view key) const;

 private:
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    bool caught_up_ = false;
    uint64_t read_ = 0;
    std::map<std::string, uint64_t, std::less<>> revisions_;
};

}  // namespace cvf::bus
