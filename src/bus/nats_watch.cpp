#include "bus/nats_watch.h"

#include <fmt/format.h>

#include <map>
#include <set>
#include <utility>

#include "bus/nats_inlet.h"
#include "bus/nats_streams.h"
#include "bus/subjects.h"

namespace cvf::bus {

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds look_again{1000}, later{250};
constexpr int64_t heartbeat = 2'000'000'000, forgotten_after = 30'000'000'000;  // ns
constexpr std::chrono::seconds silent_for{8};                                   // then the consumer is gone

class Watch {
 public:
    Watch(NatsConnection& connection, Ledger& ledger, unsigned replicas, std::string bucket, OnDocument handler)
        : connection_(connection),
          ledger_(ledger),
          replicas_(replicas),
          bucket_(std::move(bucket)),
          prefix_(fmt::format("$KV.{}.", bucket_)),
          handler_(std::move(handler)) {}

    void run(Worker& worker) {
        while (!worker.stopping()) {
            const auto session = connection_.wait(look_again * 10, 0, &worker);
            if (!session) continue;
            const bool begun = begin(session);
            if (begun) follow(worker);
            end(*session);
            if (!begun) worker.sleep(later);
        }
    }

    void interrupt() {
        inlet_.interrupt();
        connection_.wake();
    }

 private:
    bool begin(const NatsConnection::SessionPtr& session) {
        std::string error;
        const auto kv = ensure_nats_bucket(*session, bucket_, replicas_, error);
        if (!kv) {
            ledger_.note(error);
            return false;
        }
        next_ = 1;
        seen_.clear();
        // Not js_SubscribeSync(): where JetStream answers late, that one frees its subscription with messages on their way to it.
        natsInbox* raw_inbox = nullptr;
        if (natsInbox_Create(&raw_inbox) != NATS_OK) return false;
        const std::string inbox(raw_inbox), subject = prefix_ + ">";
        natsInbox_Destroy(raw_inbox);
        natsSubscription* made = nullptr;
        if (natsConnection_SubscribeSync(&made, session->connection(), inbox.c_str()) != NATS_OK) return false;
        natsSubscription_SetPendingLimits(made, -1, 64 * 1024 * 1024);
        inlet_.set(session, made);
        jsConsumerConfig config;
        jsConsumerConfig_Init(&config);
        config.DeliverSubject = inbox.c_str();
        config.FilterSubject = subject.c_str();
        config.DeliverPolicy = js_DeliverLastPerSubject;
        config.AckPolicy = js_AckNone;
        config.Heartbeat = heartbeat;
        config.InactiveThreshold = forgotten_after;
        config.MemoryStorage = true;
        config.Replicas = 1;
        jsConsumerInfo* raw = nullptr;
        const natsStatus s = js_AddConsumer(&raw, session->jetstream(), ("KV_" + bucket_).c_str(), &config, nullptr, nullptr);
        const NatsOwned<jsConsumerInfo> info(raw);
        if (s != NATS_OK) {
            ledger_.note(fmt::format("{}: {}", bucket_, nats_error(s)));
            return false;
        }
        consumer_ = info->Name;
        syncing_ = true;
        // Delivered ones stand in the inlet already, the last of them with nothing pending behind it.
        if (info->NumPending == 0 && info->Delivered.Consumer == 0) finish();
        return true;
    }

    void follow(Worker& worker) {
        auto heard = Clock::now();
        while (!worker.stopping()) {
            NatsOwned<natsMsg> message;
            const natsStatus s = inlet_.next(message, look_again);
            if (s == NATS_TIMEOUT) {
                if (connection_.current() != inlet_.session() || Clock::now() - heard > silent_for) return;
                continue;
            }
            if (s != NATS_OK) return;
            heard = Clock::now();
            if (!nats_header(message.get(), "Status").empty()) {
                // A heartbeat tells what came last.
                const std::string_view last = nats_header(message.get(), "Nats-Last-Consumer");
                if (!last.empty() && last != std::to_string(next_ - 1)) return;
                continue;
            }
            const char* const reply = natsMsg_GetReply(message.get());
            const auto about = reply ? nats_delivery(reply) : std::nullopt;
            if (!about) continue;
            if (about->consumer_sequence != next_++) return;  // a hole
            tell(message.get(), about->stream_sequence);
            if (syncing_ && about->pending == 0) finish();
        }
    }

    void end(const NatsConnection::Session& session) {
        inlet_.close();
        // The server forgets it by itself, too, but later.
        if (!consumer_.empty()) {
            const std::string subject = fmt::format("$JS.API.CONSUMER.DELETE.KV_{}.{}", bucket_, std::exchange(consumer_, {}));
            natsConnection_PublishString(session.connection(), subject.c_str(), "");
        }
    }

    void tell(natsMsg* message, uint64_t revision) {
        std::string_view subject(natsMsg_GetSubject(message));
        if (!subject.starts_with(prefix_)) return;
        subject.remove_prefix(prefix_.size());
        const auto key = unescape_token(subject);
        if (!key) {
            ledger_.note(fmt::format("{}: the key \"{}\" is not written as it should be", bucket_, subject));
            return;
        }
        const std::string_view operation = nats_header(message, "KV-Operation");
        if (operation == "DEL" || operation == "PURGE") {
            if (known_.erase(*key) > 0) hand_over({*key, {}, revision, true});
            return;
        }
        if (syncing_) seen_.insert(*key);
        uint64_t& known = known_[*key];
        if (std::exchange(known, revision) == revision) return;
        const std::string_view value(natsMsg_GetData(message), static_cast<size_t>(natsMsg_GetDataLength(message)));
        hand_over({*key, value, revision, false});
    }

    void hand_over(const Document& document) {
        last_ = std::max(last_, document.revision);
        handler_(&document);
    }

    // All that is there has come: what was known and did not come is gone.
    void finish() {
        syncing_ = false;
        for (auto it = known_.begin(); it != known_.end();) {
            if (seen_.contains(it->first)) {
                ++it;
                continue;
            }
            const std::string key = it->first;
            it = known_.erase(it);
            hand_over({key, {}, last_, true});
        }
        seen_.clear();
        if (!std::exchange(caught_up_, true)) handler_(nullptr);
    }

    NatsConnection& connection_;
    Ledger& ledger_;
    const unsigned replicas_;
    const std::string bucket_, prefix_;
    const OnDocument handler_;
    NatsInlet inlet_;
    std::string consumer_;  // its name at the server
    uint64_t next_ = 1, last_ = 0;
    bool syncing_ = true, caught_up_ = false;
    std::map<std::string, uint64_t, std::less<>> known_;  // the revision told of each key
    std::set<std::string, std::less<>> seen_;             // since this consumer began
};

}  // namespace

std::shared_ptr<Worker> watch_nats(NatsConnection& connection, Ledger& ledger, unsigned replicas, std::string bucket,
                                   OnDocument handler) {
    auto watch = std::make_shared<Watch>(connection, ledger, replicas, std::move(bucket), std::move(handler));
    return std::make_shared<Worker>([watch](Worker& w) { watch->run(w); }, [watch] { watch->interrupt(); });
}

}  // namespace cvf::bus
