#include "bus/kafka_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace cvf::bus {

namespace {

constexpr std::chrono::milliseconds poll_wait{100}, later{500}, topic_wait{3000}, check_every{10000};

class Table {
 public:
    Table(const Address& address, const Options& options, Ledger& ledger, KafkaProducer& producer, std::string bucket,
          OnDocument handler, std::function<void(uint64_t)> read_to)
        : address_(address),
          options_(options),
          ledger_(ledger),
          producer_(producer),
          bucket_(std::move(bucket)),
          handler_(std::move(handler)),
          read_to_(std::move(read_to)) {}

    void run(Worker& worker) {
        while (!worker.stopping()) {
            KafkaHandle consumer = begin();
            if (consumer) {
                follow(consumer.get(), worker);
            } else {
                worker.sleep(later);
            }
        }
    }

 private:
    KafkaHandle begin() {
        // Without a broker there is nothing to wait for here: the producer is the one that finds it.
        if (!ledger_.is_connected()) return nullptr;
        if (std::string error = producer_.ensure(bucket_, KafkaTopics::Kind::bucket, topic_wait); !error.empty()) {
            ledger_.note(error);
            return nullptr;
        }
        auto config = kafka_config(address_, options_,
                                   {{"group.id", options_.client_name + "-reader"},
                                    {"enable.auto.commit", "false"},
                                    {"enable.partition.eof", "true"},
                                    {"allow.auto.create.topics", producer_.topics().left_to_brokers() ? "true" : "false"},
                                    {"auto.offset.reset", "earliest"},
                                    // An idle watch of a thousand agents should cost the brokers little; changes come at once.
                                    // (The library's mock, which makes no topics, answers at the end of that time only.)
                                    {"fetch.wait.max.ms", producer_.topics().left_to_brokers() ? "100" : "5000"},
                                    {"topic.metadata.refresh.interval.ms", "2000"}});
        if (!config) return nullptr;
        auto consumer = kafka_client(KafkaRole::reader, std::move(*config));
        if (!consumer) return nullptr;
        const KafkaOwned<rd_kafka_topic_partition_list_t> partitions(rd_kafka_topic_partition_list_new(1));
        rd_kafka_topic_partition_list_add(partitions.get(), bucket_.c_str(), 0)->offset = RD_KAFKA_OFFSET_BEGINNING;
        int64_t low = 0, high = 0;
        if (rd_kafka_query_watermark_offsets(consumer->get(), bucket_.c_str(), 0, &low, &high,
                                             static_cast<int>(topic_wait.count()))) {
            return nullptr;
        }
        if (rd_kafka_assign(consumer->get(), partitions.get())) return nullptr;
        syncing_ = true;
        end_ = static_cast<uint64_t>(high);
        fresh_.clear();
        if (low >= high) finish();
        return *consumer;
    }

    // The topic is there and is the one that we know; or there is no telling now.
    bool still_there(rd_kafka_t* consumer) {
        int64_t low = 0, high = 0;
        switch (
            rd_kafka_query_watermark_offsets(consumer, bucket_.c_str(), 0, &low, &high, static_cast<int>(topic_wait.count()))) {
            case RD_KAFKA_RESP_ERR_NO_ERROR:
                return static_cast<uint64_t>(high) >= last_;
            case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
            case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
            case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
                return false;
            default:
                return true;
        }
    }

    void follow(rd_kafka_t* consumer, Worker& worker) {
        auto checked = std::chrono::steady_clock::now();
        while (!worker.stopping()) {
            if (const auto now = std::chrono::steady_clock::now(); now - checked >= check_every && ledger_.is_connected()) {
                checked = now;
                if (!still_there(consumer)) {
                    producer_.topics().forget(bucket_);
                    last_ = 0;
                    return;
                }
            }
            const KafkaOwned<rd_kafka_message_t> m(rd_kafka_consumer_poll(consumer, static_cast<int>(poll_wait.count())));
            if (!m) continue;
            switch (m->err) {
                case RD_KAFKA_RESP_ERR_NO_ERROR:
                    take(*m);
                    break;
                case RD_KAFKA_RESP_ERR__PARTITION_EOF:
                    end_ = static_cast<uint64_t>(m->offset);
                    if (syncing_) finish();
                    break;
                case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
                case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
                case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
                    producer_.topics().forget(bucket_);
                    worker.sleep(later);
                    return;
                default:
                    if (m->err != RD_KAFKA_RESP_ERR__TRANSPORT) {
                        ledger_.note(fmt::format("{}: {}", bucket_, rd_kafka_message_errstr(m.get())));
                    }
            }
        }
    }

    void take(const rd_kafka_message_t& m) {
        const std::string key(static_cast<const char*>(m.key), m.key ? m.key_len : 0);
        const uint64_t revision = static_cast<uint64_t>(m.offset) + 1;
        const std::string_view value(static_cast<const char*>(m.payload), m.payload ? m.len : 0);
        if (syncing_) {
            // Only the last of each key counts, and only it is told.
            if (m.payload && !key.empty()) {
                fresh_[key] = {std::string(value), revision};
            } else {
                fresh_.erase(key);
            }
            last_ = std::max(last_, revision);
            if (revision >= end_) finish();
        } else {
            if (!key.empty()) tell(key, value, revision, !m.payload);
            if (read_to_) read_to_(revision);
        }
    }

    void tell(const std::string& key, std::string_view value, uint64_t revision, bool removed) {
        last_ = std::max(last_, revision);
        if (removed) {
            if (known_.erase(key) == 0) return;
        } else if (std::exchange(known_[key], revision) == revision) {
            return;
        }
        const Document document{key, value, revision, removed};
        handler_(&document);
    }

    void finish() {
        syncing_ = false;
        std::vector<std::pair<uint64_t, const std::string*>> order;
        for (const auto& [key, document] : fresh_) order.emplace_back(document.second, &key);
        std::sort(order.begin(), order.end());
        for (const auto& [revision, key] : order) tell(*key, fresh_[*key].first, revision, false);
        std::vector<std::string> gone;
        for (const auto& [key, revision] : known_) {
            if (!fresh_.contains(key)) gone.push_back(key);
        }
        for (const std::string& key : gone) tell(key, {}, last_, true);
        fresh_.clear();
        if (!std::exchange(caught_up_, true)) handler_(nullptr);
        if (read_to_) read_to_(end_);
    }

    const Address address_;
    const Options options_;
    Ledger& ledger_;
    KafkaProducer& producer_;
    const std::string bucket_;
    const OnDocument handler_;
    const std::function<void(uint64_t)> read_to_;
    bool syncing_ = true, caught_up_ = false;
    uint64_t last_ = 0, end_ = 0;
    std::map<std::string, uint64_t> known_;                          // the revision told of each key
    std::map<std::string, std::pair<std::string, uint64_t>> fresh_;  // read before the end was reached
};

}  // namespace

std::shared_ptr<Worker> watch_kafka(const Address& address, const Options& options, Ledger& ledger, KafkaProducer& producer,
                                    std::string bucket, OnDocument handler, std::function<void(uint64_t)> read_to) {
    auto table =
        std::make_shared<Table>(address, options, ledger, producer, std::move(bucket), std::move(handler), std::move(read_to));
    return std::make_shared<Worker>([table](Worker& w) { table->run(w); });
}

void KafkaRevisions::changed(const Document* document) {
    const std::lock_guard lock(mutex_);
    if (!document) {
        caught_up_ = true;
    } else if (document->removed) {
        revisions_.erase(std::string(document->key));
    } else {
        revisions_[std::string(document->key)] = document->revision;
    }
    changed_.notify_all();
}

void KafkaRevisions::read_to(uint64_t revision) {
    const std::lock_guard lock(mutex_);
    read_ = revision;
    changed_.notify_all();
}

bool KafkaRevisions::wait_for(uint64_t revision, std::chrono::milliseconds wait) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, wait, [&] { return caught_up_ && read_ >= revision; });
}

uint64_t KafkaRevisions::of(std::string_view key) const {
    const std::lock_guard lock(mutex_);
    const auto it = revisions_.find(key);
    return it == revisions_.end() ? 0 : it->second;
}

}  // namespace cvf::bus
