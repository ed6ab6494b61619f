// librdkafka's configuration, and owners of its objects.
#pragma once

#include <librdkafka/rdkafka.h>

#include <expected>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bus/address.h"
#include "bus/bus.h"

namespace cvf::bus {

struct KafkaFree {
    void operator()(rd_kafka_conf_t* c) const { rd_kafka_conf_destroy(c); }
    void operator()(rd_kafka_message_t* m) const { rd_kafka_message_destroy(m); }
    void operator()(rd_kafka_topic_partition_list_t* l) const { rd_kafka_topic_partition_list_destroy(l); }
    void operator()(const rd_kafka_metadata_t* m) const { rd_kafka_metadata_destroy(m); }
    void operator()(rd_kafka_NewTopic_t* t) const { rd_kafka_NewTopic_destroy(t); }
    void operator()(rd_kafka_AdminOptions_t* o) const { rd_kafka_AdminOptions_destroy(o); }
    void operator()(rd_kafka_queue_t* q) const { rd_kafka_queue_destroy(q); }
    void operator()(rd_kafka_event_t* e) const { rd_kafka_event_destroy(e); }
};
template <typename T>
using KafkaOwned = std::unique_ptr<T, KafkaFree>;

// A client: producer or consumer. Closing one may take a moment.
using KafkaHandle = std::shared_ptr<rd_kafka_t>;

using KafkaSettings = std::vector<std::pair<std::string, std::string>>;

// What producers and consumers share: brokers, TLS, login, times; and `more` over it. The log is not written anywhere.
std::expected<KafkaOwned<rd_kafka_conf_t>, std::string> kafka_config(const Address& address, const Options& options,
                                                                     const KafkaSettings& more);
// A reader has partitions assigned to it by us, a member gets them from its group.
enum class KafkaRole { producer, reader, member };
std::expected<KafkaHandle, std::string> kafka_client(KafkaRole role, KafkaOwned<rd_kafka_conf_t> config);

}  // namespace cvf::bus
