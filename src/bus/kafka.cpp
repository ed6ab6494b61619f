#include "bus/kafka.h"

#include <fmt/format.h>

#include <map>

#include "bus/checks.h"
#include "bus/kafka_producer.h"
#include "bus/kafka_subscribe.h"
#include "bus/kafka_table.h"
#include "bus/ledger.h"

namespace cvf::bus {

namespace {

using Clock = std::chrono::steady_clock;

std::chrono::milliseconds left(Clock::time_point deadline) {
    return std::max(std::chrono::milliseconds(0), std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()));
}

class KafkaBus : public Bus {
 public:
    KafkaBus(Address address, const Options& options) : address_(std::move(address)), options_(options), ledger_(options) {}

    ~KafkaBus() override { roster_.end(); }

    std::string begin() {
        auto producer = KafkaProducer::create(address_, options_, ledger_);
        if (!producer) return producer.error();
        producer_ = std::move(*producer);
        return {};
    }

    Accepted publish(const Message& message) override {
        Taken taken;
        if (const Accepted accepted = ledger_.take(message, taken); accepted != Accepted::yes) return accepted;
        producer_->publish(message, taken);
        return Accepted::yes;
    }

    std::expected<std::unique_ptr<Subscription>, std::string> subscribe(std::string_view pattern, std::string_view queue,
                                                                        OnMessage handler) override {
        if (auto good = check_pattern(pattern); !good) return std::unexpected(good.error());
        auto worker = subscribe_kafka(address_, options_, ledger_, *producer_, std::string(pattern), std::string(queue),
                                      std::move(handler));
        if (!worker) return std::unexpected(worker.error());
        return roster_.enlist(std::move(*worker));
    }

    std::expected<uint64_t, std::string> put(std::string_view bucket, std::string_view key, std::string_view value,
                                             std::optional<uint64_t> expected) override {
        if (auto good = check_document(bucket, key, value); !good) return std::unexpected(good.error());
        return change(bucket, key, &value, expected);
    }

    std::expected<void, std::string> remove(std::string_view bucket, std::string_view key,
                                            std::optional<uint64_t> expected) override {
        if (auto good = check_document(bucket, key, {}); !good) return good;
        const auto removed = change(bucket, key, nullptr, expected);
        if (!removed) return std::unexpected(removed.error());
        return {};
    }

    std::expected<std::unique_ptr<Subscription>, std::string> watch(std::string_view bucket, OnDocument handler) override {
        if (auto good = check_document(bucket, "any", {}); !good) return std::unexpected(good.error());
        return roster_.enlist(watch_kafka(address_, options_, ledger_, *producer_, std::string(bucket), std::move(handler)));
    }

    State state() const override { return ledger_.state(); }
    bool drain(std::chrono::milliseconds wait) override { return ledger_.drain(wait); }

 private:
    // Without a value it is removed.
    std::expected<uint64_t, std::string> change(std::string_view bucket, std::string_view key, const std::string_view* value,
                                                std::optional<uint64_t> expected) {
        const auto deadline = Clock::now() + timeout;
        const std::string topic(bucket);
        // One conditional change at a time: among this process's own the comparison is exact.
        std::unique_lock<std::timed_mutex> one_at_a_time(conditional_, std::defer_lock);
        if (expected) {
            if (!one_at_a_time.try_lock_until(deadline))
                return std::unexpected(fmt::format("{}/{}: others that wait for the brokers come first", bucket, key));
            if (std::string error = producer_->ensure(topic, KafkaTopics::Kind::bucket, left(deadline)); !error.empty()) {
                return std::unexpected(error);
            }
            const auto now = revision(topic, key, deadline);
            if (!now) return std::unexpected(now.error());
            if (*now != *expected)
                return std::unexpected(fmt::format("{}/{} is at revision {}, not {}", bucket, key, *now, *expected));
        }
        return store(topic, key, value, deadline);
    }

    std::expected<uint64_t, std::string> store(const std::string& topic, std::string_view key, const std::string_view* value,
                                               Clock::time_point deadline) {
        while (true) {
            if (std::string error = producer_->ensure(topic, KafkaTopics::Kind::bucket, left(deadline)); !error.empty()) {
                return std::unexpected(error);
            }
            const auto offset = producer_->store(topic, key, value, left(deadline));
            if (offset) return static_cast<uint64_t>(*offset) + 1;
            // Somebody deleted the topic: it is made again.
            if (producer_->topics().known(topic) || Clock::now() >= deadline) return std::unexpected(offset.error());
        }
    }

    struct Followed {
        std::shared_ptr<KafkaRevisions> revisions;
        std::unique_ptr<Subscription> watch;
    };

    // Of the document as the topic has it now, as far as one who reads can know.
    std::expected<uint64_t, std::string> revision(const std::string& bucket, std::string_view key, Clock::time_point deadline) {
        Followed& followed = followed_[bucket];
        if (!followed.revisions) {
            followed.revisions = std::make_shared<KafkaRevisions>();
            const auto revisions = followed.revisions;
            followed.watch = roster_.enlist(watch_kafka(
                address_, options_, ledger_, *producer_, bucket, [revisions](const Document* d) { revisions->changed(d); },
                [revisions](uint64_t r) { revisions->read_to(r); }));
        }
        int64_t low = 0, high = 0;
        if (const auto error = rd_kafka_query_watermark_offsets(producer_->handle().get(), bucket.c_str(), 0, &low, &high,
                                                                static_cast<int>(left(deadline).count()))) {
            return std::unexpected(fmt::format("{}: {}", bucket, rd_kafka_err2str(error)));
        }
        if (!followed.revisions->wait_for(static_cast<uint64_t>(high), left(deadline))) {
            return std::unexpected(fmt::format("{}: could not be read in time", bucket));
        }
        return followed.revisions->of(key);
    }

    const Address address_;
    const Options options_;
    Ledger ledger_;
    std::unique_ptr<KafkaProducer> producer_;
    std::timed_mutex conditional_;
    Roster roster_;
    std::map<std::string, Followed> followed_;
};

}  // namespace

std::expected<std::unique_ptr<Bus>, std::string> connect_kafka(Address address, const Options& options) {
    auto bus = std::make_unique<KafkaBus>(std::move(address), options);
    if (std::string error = bus->begin(); !error.empty()) return std::unexpected(error);
    return bus;
}

}  // namespace cvf::bus
