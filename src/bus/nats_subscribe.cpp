#include "bus/nats_subscribe.h"

#include "bus/nats_inlet.h"

#include <utility>

namespace cvf::bus {

namespace {

// What may wait for a slow handler; more is shed and counted.
constexpr int most_messages = 65536, most_bytes = 64 * 1024 * 1024;
constexpr std::chrono::milliseconds look_again{10000}, later{200};

bool subscribe(NatsInlet& inlet, const NatsConnection::SessionPtr& session, const std::string& pattern,
               const std::string& queue) {
    natsSubscription* made = nullptr;
    const natsStatus s = queue.empty()
                             ? natsConnection_SubscribeSync(&made, session->connection(), pattern.c_str())
                             : natsConnection_QueueSubscribeSync(&made, session->connection(), pattern.c_str(), queue.c_str());
    if (s != NATS_OK) return false;
    natsSubscription_SetPendingLimits(made, most_messages, most_bytes);
    inlet.set(session, made);
    return true;
}

}  // namespace

std::shared_ptr<Worker> subscribe_nats(NatsConnection& connection, Ledger& ledger, std::string pattern, std::string queue,
                                       OnMessage handler) {
    auto inlet = std::make_shared<NatsInlet>();
    // Here and now where there is a connection, and with its round trip: what is published by anyone from now on is seen.
    if (const auto session = connection.current(); session && subscribe(*inlet, session, pattern, queue)) {
        natsConnection_FlushTimeout(session->connection(), later.count() * 5);
    }
    const auto body = [&connection, &ledger, inlet, pattern, queue, handler = std::move(handler)](Worker& worker) {
        uint64_t dropped = 0;
        while (!worker.stopping()) {
            if (!inlet->is_set()) {
                const auto session = connection.wait(look_again, 0, &worker);
                if (!session) continue;
                dropped = 0;
                if (!session->open() || !subscribe(*inlet, session, pattern, queue)) {
                    worker.sleep(later);
                    continue;
                }
            }
            NatsOwned<natsMsg> message;
            const natsStatus s = inlet->next(message, look_again);
            if (s == NATS_OK) {
                ledger.received();
                handle_nats(message.get(), handler);
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
