#include "bus/nats_inlet.h"

#include <utility>

namespace cvf::bus {

void NatsInlet::set(NatsConnection::SessionPtr session, natsSubscription* subscription) {
    const std::lock_guard lock(mutex_);
    if (interrupted_) natsSubscription_Unsubscribe(subscription);
    session_ = std::move(session);
    subscription_ = subscription;
}

natsStatus NatsInlet::next(NatsOwned<natsMsg>& message, std::chrono::milliseconds wait) {
    natsMsg* raw = nullptr;
    const natsStatus s = natsSubscription_NextMsg(&raw, subscription_, wait.count());
    message.reset(raw);
    return s;
}

uint64_t NatsInlet::dropped() const {
    int64_t count = 0;
    return natsSubscription_GetDropped(subscription_, &count) == NATS_OK && count > 0 ? static_cast<uint64_t>(count) : 0;
}

void NatsInlet::close() {
    natsSubscription* old;
    NatsConnection::SessionPtr session;
    {
        const std::lock_guard lock(mutex_);
        old = std::exchange(subscription_, nullptr);
        session.swap(session_);
    }
    if (old) session->let_go(old);
}

void NatsInlet::end_this() {
    const std::lock_guard lock(mutex_);
    if (subscription_) natsSubscription_Unsubscribe(subscription_);
}

void NatsInlet::interrupt() {
    const std::lock_guard lock(mutex_);
    interrupted_ = true;
    if (subscription_) natsSubscription_Unsubscribe(subscription_);
}

}  // namespace cvf::bus
