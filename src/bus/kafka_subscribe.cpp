#include "bus/kafka_subscribe.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <set>

#include "bus/subjects.h"

namespace cvf::bus {

namespace {

constexpr std::chrono::milliseconds poll_wait{100}, request_wait{2000}, partition_wait{1500}, look_for_topics{2000}, again{50};
constexpr std::string_view queued_kilobytes = "16384";  // that the library fetches ahead

using Clock = std::chrono::steady_clock;

// Without a group: which partitions are read, and from where.
class Assignment {
 public:
    Assignment(KafkaHandle consumer, std::string pattern) : consumer_(std::move(consumer)), pattern_(std::move(pattern)) {}

    using Stopping = std::function<bool()>;

    // Reads everything that is there from its end as of now. A topic made a moment ago may take a moment to be led, and `wanted`,
    // where it is given, to be listed. A partition whose broker does not tell its end in time is read later, from what was
    // written since. Takes not much longer than `request_wait`.
    void begin(const std::optional<std::string>& wanted, const Stopping& stopping) {
        const auto deadline = Clock::now() + request_wait;
        began_at_ =
            std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
        while (!add(From::known_end, wanted, deadline, stopping) && Clock::now() < deadline && !stopping())
            std::this_thread::sleep_for(again);
        begun_ = true;
    }
    // Adds what has come into being since, from its beginning.
    void refresh(const Stopping& stopping) {
        if (begun_) {
            add(From::beginning, std::nullopt, Clock::now() + request_wait, stopping);
        } else {
            begin(std::nullopt, stopping);
        }
    }

 private:
    enum class From : uint8_t { known_end, beginning };

    static int left_until(Clock::time_point deadline) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
        return static_cast<int>(std::max<int64_t>(left.count(), 1));
    }

    rd_kafka_resp_err_t end_of(const char* topic, int32_t partition, int wait, int64_t& offset) const {
        int64_t low = 0;
        return rd_kafka_query_watermark_offsets(consumer_.get(), topic, partition, &low, &offset, wait);
    }

    // The first message since this subscriber began, by the broker's time or the publisher's, whichever the topic keeps: give or
    // take what clocks differ.
    rd_kafka_resp_err_t since_begin(const char* topic, int32_t partition, int wait, int64_t& offset) const {
        // The end first: what comes between the two questions is after it.
        if (const auto error = end_of(topic, partition, wait, offset)) return error;
        const KafkaOwned<rd_kafka_topic_partition_list_t> asked(rd_kafka_topic_partition_list_new(1));
        rd_kafka_topic_partition_t& one = *rd_kafka_topic_partition_list_add(asked.get(), topic, partition);
        one.offset = began_at_ - 1000;
        if (const auto error = rd_kafka_offsets_for_times(consumer_.get(), asked.get(), wait)) return error;
        if (one.offset >= 0) offset = one.offset;
        return one.err;
    }

    // False when something could not be added now.
    bool add(From from, const std::optional<std::string>& wanted, Clock::time_point deadline, const Stopping& stopping) {
        const rd_kafka_metadata_t* raw = nullptr;
        if (rd_kafka_metadata(consumer_.get(), 1, nullptr, &raw, left_until(deadline))) return false;
        const KafkaOwned<const rd_kafka_metadata_t> metadata(raw);
        const KafkaOwned<rd_kafka_topic_partition_list_t> added(rd_kafka_topic_partition_list_new(8));
        std::set<int32_t> silent;  // brokers
        bool whole = true, listed = !wanted;
        for (int t = 0; t < raw->topic_cnt; t++) {
            const rd_kafka_metadata_topic_t& topic = raw->topics[t];
            if (!topic_matches(pattern_, topic.topic)) continue;
            listed = listed || topic.topic == *wanted;
            whole = whole && !topic.err;
            for (int p = 0; p < topic.partition_cnt; p++) {
                const int32_t partition = topic.partitions[p].id, leader = topic.partitions[p].leader;
                if (known_.contains({topic.topic, partition})) continue;
                // One that is new is read from its beginning: what this subscriber waits for may be in it.
                int64_t offset = RD_KAFKA_OFFSET_BEGINNING;
                const bool waits = unanswered_.contains({topic.topic, partition});
                if (from == From::known_end || waits) {
                    // One broker that has stopped does not use up the time of the others.
                    const int wait = std::min(left_until(deadline), static_cast<int>(partition_wait.count()));
                    const bool ask = !stopping() && Clock::now() < deadline && !silent.contains(leader);
                    rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR__TIMED_OUT;
                    if (ask)
                        error = from == From::known_end ? end_of(topic.topic, partition, wait, offset)
                                                        : since_begin(topic.topic, partition, wait, offset);
                    if (error == RD_KAFKA_RESP_ERR__TIMED_OUT) {
                        silent.insert(leader);
                        unanswered_.emplace(topic.topic, partition);
                    }
                    if (error) {
                        whole = false;
                        continue;
                    }
                    unanswered_.erase({topic.topic, partition});
                }
                known_.emplace(topic.topic, partition);
                rd_kafka_topic_partition_list_add(added.get(), topic.topic, partition)->offset = offset;
            }
        }
        if (added->cnt == 0) return whole && listed;
        if (rd_kafka_error_t* error = rd_kafka_incremental_assign(consumer_.get(), added.get())) {
            rd_kafka_error_destroy(error);
            for (int i = 0; i < added->cnt; i++) known_.erase({added->elems[i].topic, added->elems[i].partition});
            return false;
        }
        return whole && listed;
    }

    const KafkaHandle consumer_;
    const std::string pattern_;
    bool begun_ = false;
    int64_t began_at_ = 0;                                  // ms since 1970
    std::set<std::pair<std::string, int32_t>> unanswered_;  // whose end was asked for in vain
    std::set<std::pair<std::string, int32_t>> known_;
};

std::string_view header_value(const std::vector<Header>& headers, std::string_view name, bool& found) {
    for (const Header& h : headers) {
        if (h.name == name) {
            found = true;
            return h.value;
        }
    }
    return {};
}

// Hands the message to the handler when its subject matches. False: it was left untaken.
bool hand_over(const rd_kafka_message_t& m, const std::string& pattern, Ledger& ledger, const OnMessage& handler) {
    std::vector<Header> headers;
    if (rd_kafka_headers_t* raw = nullptr; !rd_kafka_message_headers(&m, &raw)) {
        const char* name;
        const void* value;
        size_t size;
        for (size_t i = 0; !rd_kafka_header_get_all(raw, i, &name, &value, &size); i++) {
            headers.push_back({name, std::string_view(static_cast<const char*>(value), value ? size : 0)});
        }
    }
    const std::string subject =
        subject_of(rd_kafka_topic_name(m.rkt), [&](std::string_view token) -> std::optional<std::string_view> {
            bool found = false;
            const std::string_view value = header_value(headers, header_of_token(token), found);
            return found ? std::optional(value) : std::nullopt;
        });
    if (!matches(pattern, subject)) return true;
    bool untaken = false;
    Message message;
    message.untaken = &untaken;
    message.subject = subject;
    message.payload = std::string_view(static_cast<const char*>(m.payload), m.payload ? m.len : 0);
    message.headers = headers;
    if (m.key_len == 16) {
        const char* key = static_cast<const char*>(m.key);
        std::from_chars(key, key + m.key_len, message.partition_key, 16);
    }
    message.durable = true;
    ledger.received();
    handler(message);
    return !untaken;
}

}  // namespace

std::expected<std::shared_ptr<Worker>, std::string> subscribe_kafka(const Address& address, const Options& options,
                                                                    Ledger& ledger, KafkaProducer& producer, std::string pattern,
                                                                    const std::string& queue, OnMessage handler) {
    auto config = kafka_config(address, options,
                               {{"group.id", queue.empty() ? options.client_name + "-reader" : queue},
                                {"auto.offset.reset", "earliest"},
                                {"enable.auto.commit", queue.empty() ? "false" : "true"},
                                {"auto.commit.interval.ms", "1000"},
                                {"enable.auto.offset.store", "false"},
                                {"topic.metadata.refresh.interval.ms", std::to_string(look_for_topics.count())},
                                {"session.timeout.ms", "10000"},
                                {"queued.max.messages.kbytes", std::string(queued_kilobytes)}});
    if (!config) return std::unexpected(config.error());
    auto consumer = kafka_client(queue.empty() ? KafkaRole::reader : KafkaRole::member, std::move(*config));
    if (!consumer) return std::unexpected(consumer.error());

    // A topic that is known by name is made now, so that nothing waits for it to be found.
    const auto topic = topic_of_pattern(pattern);
    if (topic && ledger.is_connected()) producer.ensure(*topic, KafkaTopics::Kind::stream, request_wait);

    std::shared_ptr<Assignment> assignment;
    if (queue.empty()) {
        assignment = std::make_shared<Assignment>(*consumer, pattern);
        if (ledger.is_connected()) assignment->begin(topic, [] { return false; });
    } else {
        const KafkaOwned<rd_kafka_topic_partition_list_t> topics(rd_kafka_topic_partition_list_new(1));
        rd_kafka_topic_partition_list_add(topics.get(), topic ? topic->c_str() : topics_regex(pattern).c_str(),
                                          RD_KAFKA_PARTITION_UA);
        if (const auto error = rd_kafka_subscribe(consumer->get(), topics.get())) {
            return std::unexpected(fmt::format("{}: {}", pattern, rd_kafka_err2str(error)));
        }
    }
    const auto body = [consumer = *consumer, assignment, &ledger, pattern, handler = std::move(handler)](Worker& worker) {
        auto refreshed = std::chrono::steady_clock::now();
        while (!worker.stopping()) {
            if (const auto now = std::chrono::steady_clock::now(); assignment && now - refreshed >= look_for_topics) {
                refreshed = now;
                if (ledger.is_connected()) assignment->refresh([&] { return worker.stopping(); });
            }
            const KafkaOwned<rd_kafka_message_t> m(rd_kafka_consumer_poll(consumer.get(), static_cast<int>(poll_wait.count())));
            if (!m) continue;
            if (m->err) {
                if (m->err != RD_KAFKA_RESP_ERR__TRANSPORT)
                    ledger.note(fmt::format("{}: {}", pattern, rd_kafka_message_errstr(m.get())));
                continue;
            }
            const bool taken = hand_over(*m, pattern, ledger, handler);
            if (!assignment && taken) rd_kafka_offset_store(m->rkt, m->partition, m->offset);
        }
    };
    return std::make_shared<Worker>(body);
}

}  // namespace cvf::bus
