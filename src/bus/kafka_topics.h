// Topics, made when they are absent. Those that are there stay as they are.
//
// Thread rule: any thread. ensure() waits for the brokers.
#pragma once

#include <chrono>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <string_view>

#include "bus/kafka_config.h"

namespace cvf::bus {

class KafkaTopics {
 public:
    KafkaTopics(unsigned partitions, unsigned replicas) : partitions_(partitions), replicas_(replicas) {}

    enum class Kind { stream, bucket };
    // Empty when the topic is there, or may be as far as these brokers let us know; else what is wrong. What was wrong a moment
    // ago is not asked again.
    std::string ensure(rd_kafka_t* client, const std::string& topic, Kind kind, std::chrono::milliseconds wait);
    // No broker makes topics when told to: a client's interest in one may make it.
    bool left_to_brokers() const;
    bool known(std::string_view topic) const;
    // It turned out not to be there.
    void forget(std::string_view topic);

 private:
    const unsigned partitions_, replicas_;
    mutable std::mutex mutex_;
    bool left_to_brokers_ = false;
    std::set<std::string, std::less<>> known_;
    struct Failure {
        std::string words;
        std::chrono::steady_clock::time_point until;
    };
    std::map<std::string, Failure, std::less<>> failures_;

    std::string make(rd_kafka_t* client, const std::string& topic, Kind kind, std::chrono::milliseconds wait);
};

}  // namespace cvf::bus
