// The producer: messages out, the brokers' word back, and whether there is a broker at all.
//
// One thread serves the library's reports; another probes brokers while none is connected, makes topics, and replaces the client
// when the library calls it broken for good. A message for a topic not known yet waits for the latter; all others go straight to
// the library, which never blocks.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <expected>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "bus/kafka_config.h"
#include "bus/kafka_topics.h"
#include "bus/ledger.h"
#include "bus/worker.h"

namespace cvf::bus {

class KafkaProducer {
 public:
    static std::expected<std::unique_ptr<KafkaProducer>, std::string> create(const Address& address, const Options& options,
                                                                             Ledger& ledger);
    ~KafkaProducer();

    // Of a message that the ledger took.
    void publish(const Message& message, const Taken& taken);
    // To partition 0 of a bucket's topic; a null value removes. Waits for the offset.
    std::expected<int64_t, std::string> store(const std::string& topic, std::string_view key, const std::string_view* value,
                                              std::chrono::milliseconds wait);
    // Makes the topic where it is absent; an error when it can't be done in time.
    std::string ensure(const std::string& topic, KafkaTopics::Kind kind, std::chrono::milliseconds wait);
    KafkaTopics& topics() { return topics_; }
    // For requests of others.
    KafkaHandle handle() const;

 private:
    KafkaProducer(const Address& address, const Options& options, Ledger& ledger);
    std::expected<KafkaHandle, std::string> make();
    // What stands behind a message in the library: called once with its fate. Those that have not met theirs are known here, so
    // that a client which fails to tell can be given up.
    using Fate = std::function<void(const rd_kafka_message_t* report, rd_kafka_resp_err_t error)>;
    struct Waiting {
        rd_kafka_t* client;
        std::chrono::steady_clock::time_point since;
        Fate fate;
    };
    // With the lock held.
    uint64_t expect(Fate fate);
    void meet(uint64_t id, const rd_kafka_message_t* report, rd_kafka_resp_err_t error);
    void replace_client(const std::string& why, Worker& worker);
    struct Queued {
        std::string topic, key, payload;
        std::vector<std::pair<std::string, std::string>> headers;
        Taken taken;
    };
    // With the lock held; what the library does not take, the keeper settles.
    void produce(const Queued& queued);
    Fate settle_with(const Taken& taken, const std::string& topic);
    std::unexpected<std::string> store_failed(const std::string& topic, rd_kafka_resp_err_t error);
    void keep(Worker& worker);
    void report(Worker& worker);
    void probe(Worker& worker);
    void release_held(const std::string& topic);
    void abandon(const KafkaHandle& client, std::chrono::milliseconds wait);

    static void on_delivery(rd_kafka_t* client, const rd_kafka_message_t* report, void* self);
    static void on_error(rd_kafka_t* client, int error, const char* reason, void* self);
    static int on_certificate(rd_kafka_t* client, const char* broker, int32_t number, int* error, int depth, const char* der,
                              size_t size, char* words, size_t room, void* self);
    // With the lock held: what the library says, unless something that says more has been noted a moment ago.
    void note_trouble(rd_kafka_resp_err_t error, std::string_view reason);
    static int32_t choose_partition(const rd_kafka_topic_t* topic, const void* key, size_t size, int32_t count, void*, void*);

    const Address address_;
    const Options options_;
    Ledger& ledger_;
    KafkaTopics topics_;

    mutable std::mutex mutex_;
    std::condition_variable changed_;
    KafkaHandle client_;
    bool down_ = true, fatal_ = false, tried_ = false, was_up_ = false;
    std::atomic<int> certificate_error_ = 0;           // X509_V_ERR_…, of the last certificate that was not taken
    std::chrono::steady_clock::time_point told_at_{};  // when a reason was noted that waiting will not mend
    std::map<std::string, std::deque<Queued>> held_;   // by topic, until it is known
    struct Failed {
        Taken taken;
        bool refused;
    };
    std::deque<Failed> failed_;
    uint64_t last_id_ = 0;
    std::map<uint64_t, Waiting> waiting_;  // in the order of sending
    std::unique_ptr<Worker> keeper_, reporter_;
};

}  // namespace cvf::bus
