#include "bus/nats_subscribe.h"

#include <fmt/format.h>

#include <utility>

#include "bus/nats_inlet.h"
#include "bus/nats_streams.h"

namespace cvf::bus {

namespace {

// What may wait for a slow handler; more is shed and counted.
constexpr int most_messages = 65536, most_bytes = 64 * 1024 * 1024;
constexpr std::chrono::milliseconds look_again{10000}, later{200};

constexpr int64_t answer_within = 30'000'000'000;  // ns; then a message comes again

struct Wish {
    std::string pattern, queue;
    unsigned replicas;
};

// The channel whose stream keeps this subject for the queue; null: an ordinary subscription.
const Channel* kept_by(const Wish& wish) {
    const Channel* const channel = wish.queue.empty() ? nullptr : channel_of(wish.pattern);
    return channel && channel->pattern == wish.pattern && valid_subject(wish.pattern) ? channel : nullptr;
}

// JetStream hands the queue what it keeps, by way of a subject of their own. False where it can't.
bool make_consumer(const NatsConnection::Session& session, const Wish& wish, const Channel& channel, const std::string& inbox) {
    if (!ensure_nats_stream(session, channel, wish.replicas).empty()) return false;
    jsConsumerConfig config;
    jsConsumerConfig_Init(&config);
    const std::string name = escape_token(wish.queue);
    config.Durable = name.c_str();
    config.DeliverSubject = inbox.c_str();
    config.DeliverGroup = wish.queue.c_str();
    config.FilterSubject = wish.pattern.c_str();
    config.DeliverPolicy = js_DeliverAll;
    config.AckPolicy = js_AckExplicit;
    config.AckWait = answer_within;
    jsConsumerInfo* made = nullptr;
    const natsStatus s =
        js_AddConsumer(&made, session.jetstream(), fmt::format("cvf-{}", channel.name).c_str(), &config, nullptr, nullptr);
    const NatsOwned<jsConsumerInfo> owned(made);
    return s == NATS_OK;
}

bool subscribe(NatsInlet& inlet, const NatsConnection::SessionPtr& session, const Wish& wish, bool& durable) {
    natsSubscription* made = nullptr;
    natsStatus s;
    const Channel* const channel = kept_by(wish);
    const std::string inbox = channel ? fmt::format("_INBOX.cvf.{}.{}", channel->name, escape_token(wish.queue)) : "";
    durable = channel && make_consumer(*session, wish, *channel, inbox);
    if (wish.queue.empty())
        s = natsConnection_SubscribeSync(&made, session->connection(), wish.pattern.c_str());
    else
        s = natsConnection_QueueSubscribeSync(&made, session->connection(), durable ? inbox.c_str() : wish.pattern.c_str(),
                                              wish.queue.c_str());
    if (s != NATS_OK) return false;
    natsSubscription_SetPendingLimits(made, most_messages, most_bytes);
    inlet.set(session, made);
    return true;
}

}  // namespace

std::shared_ptr<Worker> subscribe_nats(NatsConnection& connection, Ledger& ledger, std::string pattern, std::string queue,
                                       unsigned replicas, OnMessage handler) {
    const Wish wish{std::move(pattern), std::move(queue), replicas};
    auto durable = std::make_shared<bool>(false);
    auto inlet = std::make_shared<NatsInlet>();
    // Here and now where there is a connection, and with its round trip: what is published by anyone from now on is seen.
    if (const auto session = connection.current(); session && subscribe(*inlet, session, wish, *durable)) {
        natsConnection_FlushTimeout(session->connection(), later.count() * 5);
    }
    const auto body = [&connection, &ledger, inlet, durable, wish, handler = std::move(handler)](Worker& worker) {
        uint64_t dropped = 0;
        while (!worker.stopping()) {
            if (!inlet->is_set()) {
                const auto session = connection.wait(look_again, 0, &worker);
                if (!session) continue;
                dropped = 0;
                if (!session->open() || !subscribe(*inlet, session, wish, *durable)) {
                    worker.sleep(later);
                    continue;
                }
            }
            NatsOwned<natsMsg> message;
            const natsStatus s = inlet->next(message, look_again);
            if (s == NATS_OK) {
                ledger.received();
                const bool taken = handle_nats(message.get(), handler);
                if (const char* reply = natsMsg_GetReply(message.get()); *durable && reply)
                    natsConnection_PublishString(inlet->session()->connection(), reply, taken ? "+ACK" : "-NAK");
            }
            if (const uint64_t now = inlet->dropped(); now > dropped) ledger.dropped(now - std::exchange(dropped, now));
            if (s != NATS_OK && s != NATS_TIMEOUT && s != NATS_SLOW_CONSUMER) inlet->close();
        }
        inlet->close();
    };
    return std::make_shared<Worker>(body, [inlet, &connection] {
        inlet->interrupt();
        connection.wake();
    });
}

}  // namespace cvf::bus
