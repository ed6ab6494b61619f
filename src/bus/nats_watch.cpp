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

constexpr std::chrono::milliseconds look_again{1000}, later{250};
constexpr int64_t heartbeat = 1'000'000'000, forgotten_after = 30'000'000'000;  // ns

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
            if (!begin(session)) {
                worker.sleep(later);
                continue;
            }
            follow(worker);
            inlet_.close();
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
        misses_ = session->missed_heartbeats();
        next_ = 1;
        seen_.clear();
        jsSubOptions options;
        jsSubOptions_Init(&options);
        const std::string stream = "KV_" + bucket_, subject = prefix_ + ">";
        options.Stream = stream.c_str();
        options.Config.DeliverPolicy = js_DeliverLastPerSubject;
        options.Config.AckPolicy = js_AckNone;
        options.Config.FlowControl = true;
        options.Config.Heartbeat = heartbeat;
        options.Config.InactiveThreshold = forgotten_after;
        options.Config.MemoryStorage = true;
        options.Config.Replicas = 1;
        natsSubscription* made = nullptr;
        natsStatus s = js_SubscribeSync(&made, session->jetstream(), subject.c_str(), nullptr, &options, nullptr);
        if (s != NATS_OK) {
            ledger_.note(fmt::format("{}: {}", bucket_, nats_error(s)));
            return false;
        }
        inlet_.set(session, made);
        natsSubscription_SetPendingLimits(made, -1, 64 * 1024 * 1024);
        jsConsumerInfo* raw = nullptr;
        s = natsSubscription_GetConsumerInfo(&raw, made, nullptr, nullptr);
        const NatsOwned<jsConsumerInfo> info(raw);
        if (s != NATS_OK) {
            inlet_.close();
            return false;
        }
        syncing_ = true;
        // Delivered ones stand in the inlet already, the last of them with nothing pending behind it.
        if (info->NumPending == 0 && info->Delivered.Consumer == 0) finish();
        return true;
    }

    void follow(Worker& worker) {
        while (!worker.stopping()) {
            NatsOwned<natsMsg> message;
            const natsStatus s = inlet_.next(message, look_again);
            if (inlet_.session()->missed_heartbeats() != misses_) return;
            if (s == NATS_TIMEOUT) {
                if (connection_.current() != inlet_.session()) return;
                continue;
            }
            if (s != NATS_OK) return;
            jsMsgMetaData* raw = nullptr;
            if (natsMsg_GetMetaData(&raw, message.get()) != NATS_OK) continue;
            const NatsOwned<jsMsgMetaData> about(raw);
            if (about->Sequence.Consumer != next_++) return;  // a hole
            tell(message.get(), about->Sequence.Stream);
            if (syncing_ && about->NumPending == 0) finish();
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
    uint64_t misses_ = 0, next_ = 1, last_ = 0;
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
