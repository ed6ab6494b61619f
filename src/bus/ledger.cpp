#include "bus/ledger.h"

#include <fmt/format.h>

#include "bus/subjects.h"

namespace cvf::bus {

namespace {

// What a message costs beside its bytes: allocations, the libraries' own bookkeeping.
constexpr size_t overhead = 256;

}  // namespace

Ledger::Ledger(const Options& options)
    : limit_(options.pending_bytes), on_settled_(options.on_settled), on_state_(options.on_state) {}

Accepted Ledger::take(const Message& message, Taken& taken) {
    if (message.payload.size() > max_payload) {
        note(fmt::format("a message of {} bytes was refused: the largest has {}", message.payload.size(), max_payload));
        return Accepted::refused;
    }
    if (!valid_subject(message.subject)) {
        note(fmt::format("\"{}\" is no subject to publish to", message.subject));
        return Accepted::refused;
    }
    if (!is_connected()) return Accepted::down;

    size_t bytes = overhead + message.subject.size() + message.payload.size();
    for (const Header& h : message.headers) bytes += h.name.size() + h.value.size() + 8;
    const size_t before = pending_bytes_.fetch_add(bytes, std::memory_order_relaxed);
    if (before > 0 && before + bytes > limit_) {
        pending_bytes_.fetch_sub(bytes, std::memory_order_relaxed);
        return Accepted::full;
    }
    pending_messages_.fetch_add(1, std::memory_order_relaxed);
    published_.fetch_add(1, std::memory_order_relaxed);
    published_bytes_.fetch_add(message.payload.size(), std::memory_order_relaxed);
    taken = {message.token, bytes};
    return Accepted::yes;
}

void Ledger::settle(const Taken& taken, bool delivered, bool refused) {
    // The room first, for the callback may want to publish; the message last, for drain() waits for the callback too.
    pending_bytes_.fetch_sub(taken.bytes, std::memory_order_relaxed);
    (delivered ? delivered_ : undelivered_).fetch_add(1, std::memory_order_relaxed);
    if (on_settled_) on_settled_({taken.token, delivered, refused});
    if (pending_messages_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
        const std::lock_guard lock(mutex_);
        if (draining_ > 0) drained_.notify_all();
    }
}

void Ledger::connected(std::string server, bool again) {
    {
        const std::lock_guard lock(mutex_);
        server_ = std::move(server);
        error_.clear();
        reconnects_ += again ? 1 : 0;
    }
    if (!connected_.exchange(true) && on_state_) on_state_(true);
}

void Ledger::disconnected(std::string error) {
    if (!error.empty()) note(std::move(error));
    if (connected_.exchange(false) && on_state_) on_state_(false);
}

void Ledger::note(std::string error) {
    const std::lock_guard lock(mutex_);
    error_ = std::move(error);
}

State Ledger::state() const {
    State out;
    out.connected = is_connected();
    out.published = published_.load(std::memory_order_relaxed);
    out.published_bytes = published_bytes_.load(std::memory_order_relaxed);
    out.delivered = delivered_.load(std::memory_order_relaxed);
    out.undelivered = undelivered_.load(std::memory_order_relaxed);
    out.received = received_.load(std::memory_order_relaxed);
    out.dropped = dropped_.load(std::memory_order_relaxed);
    out.pending_messages = pending_messages_.load(std::memory_order_relaxed);
    out.pending_bytes = pending_bytes_.load(std::memory_order_relaxed);
    const std::lock_guard lock(mutex_);
    out.server = server_;
    out.last_error = error_;
    out.reconnects = reconnects_;
    return out;
}

bool Ledger::drain(std::chrono::milliseconds wait) {
    std::unique_lock lock(mutex_);
    draining_++;
    const bool empty = drained_.wait_for(lock, wait, [&] { return pending_messages_.load(std::memory_order_acquire) == 0; });
    draining_--;
    return empty;
}

}  // namespace cvf::bus
