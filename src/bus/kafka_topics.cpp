#include "bus/kafka_topics.h"

#include <fmt/format.h>

#include "bus/subjects.h"

namespace cvf::bus {

namespace {

constexpr std::chrono::seconds try_again{1};

// Whether one of the brokers is the controller, which alone makes topics. Where none is (librdkafka's mock cluster), asking would
// only take its time.
bool has_controller(rd_kafka_t* client, int wait) {
    const rd_kafka_metadata_t* raw = nullptr;
    if (rd_kafka_metadata(client, 0, nullptr, &raw, wait)) return true;
    const KafkaOwned<const rd_kafka_metadata_t> metadata(raw);
    const int32_t controller = rd_kafka_controllerid(client, 0);
    for (int i = 0; i < raw->broker_cnt; i++) {
        if (raw->brokers[i].id == controller) return true;
    }
    return false;
}

}  // namespace

bool KafkaTopics::known(std::string_view topic) const {
    const std::lock_guard lock(mutex_);
    return known_.contains(topic);
}

bool KafkaTopics::left_to_brokers() const {
    const std::lock_guard lock(mutex_);
    return left_to_brokers_;
}

void KafkaTopics::forget(std::string_view topic) {
    const std::lock_guard lock(mutex_);
    if (const auto it = known_.find(topic); it != known_.end()) known_.erase(it);
}

std::string KafkaTopics::ensure(rd_kafka_t* client, const std::string& topic, Kind kind, std::chrono::milliseconds wait) {
    {
        const std::lock_guard lock(mutex_);
        if (known_.contains(topic)) return {};
        const auto failure = failures_.find(topic);
        if (failure != failures_.end() && std::chrono::steady_clock::now() < failure->second.until) return failure->second.words;
    }
    std::string error = make(client, topic, kind, wait);
    const std::lock_guard lock(mutex_);
    if (error.empty())
        failures_.erase(topic);
    else
        failures_[topic] = {error, std::chrono::steady_clock::now() + try_again};
    return error;
}

std::string KafkaTopics::make(rd_kafka_t* client, const std::string& topic, Kind kind, std::chrono::milliseconds wait) {
    const int milliseconds = static_cast<int>(wait.count());
    if (!has_controller(client, milliseconds)) {
        const std::lock_guard lock(mutex_);
        left_to_brokers_ = true;
        known_.insert(topic);
        return {};
    }
    char text[256] = "";
    // -1: the brokers' default (Kafka 2.4 and later).
    const int replicas = replicas_ > 0 ? static_cast<int>(replicas_) : -1;
    const int partitions = kind == Kind::bucket ? 1 : static_cast<int>(partitions_);
    const KafkaOwned<rd_kafka_NewTopic_t> wanted(rd_kafka_NewTopic_new(topic.c_str(), partitions, replicas, text, sizeof text));
    if (!wanted) return fmt::format("topic {}: {}", topic, text);
    if (kind == Kind::bucket) {
        const Bucket* bucket = bucket_named(topic);
        const uint64_t keep = bucket ? bucket->keep_seconds : 0;
        rd_kafka_NewTopic_set_config(wanted.get(), "cleanup.policy", keep > 0 ? "compact,delete" : "compact");
        if (keep > 0) rd_kafka_NewTopic_set_config(wanted.get(), "retention.ms", std::to_string(keep * 1000).c_str());
    }
    const KafkaOwned<rd_kafka_AdminOptions_t> options(rd_kafka_AdminOptions_new(client, RD_KAFKA_ADMIN_OP_CREATETOPICS));
    rd_kafka_AdminOptions_set_request_timeout(options.get(), milliseconds, text, sizeof text);
    rd_kafka_AdminOptions_set_operation_timeout(options.get(), milliseconds, text, sizeof text);
    const KafkaOwned<rd_kafka_queue_t> queue(rd_kafka_queue_new(client));
    rd_kafka_NewTopic_t* topics[] = {wanted.get()};
    rd_kafka_CreateTopics(client, topics, 1, options.get(), queue.get());
    const KafkaOwned<rd_kafka_event_t> event(rd_kafka_queue_poll(queue.get(), milliseconds + 1000));
    if (!event) return fmt::format("topic {}: the brokers do not answer", topic);

    rd_kafka_resp_err_t error = rd_kafka_event_error(event.get());
    std::string why = error ? rd_kafka_event_error_string(event.get()) : "";
    if (!error) {
        size_t count = 0;
        const rd_kafka_topic_result_t** results =
            rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event.get()), &count);
        if (count == 1) {
            error = rd_kafka_topic_result_error(results[0]);
            const char* words = rd_kafka_topic_result_error_string(results[0]);
            why = words ? words : rd_kafka_err2str(error);
        }
    }
    switch (error) {
        case RD_KAFKA_RESP_ERR_NO_ERROR:
        case RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS:
        // We may not make topics: an operator has made them, or the broker does when asked for one.
        case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
        case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
        case RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE:
            break;
        default:
            return fmt::format("topic {}: {}", topic, why);
    }
    // The library may remember that it was not there.
    if (rd_kafka_topic_t* fresh = rd_kafka_topic_new(client, topic.c_str(), nullptr)) {
        const rd_kafka_metadata_t* metadata = nullptr;
        if (!rd_kafka_metadata(client, 0, fresh, &metadata, milliseconds)) rd_kafka_metadata_destroy(metadata);
        rd_kafka_topic_destroy(fresh);
    }
    const std::lock_guard lock(mutex_);
    known_.insert(topic);
    return {};
}

}  // namespace cvf::bus
