#include "bus/nats_publish.h"

namespace cvf::bus {

namespace {

constexpr std::chrono::milliseconds confirm_every{5};
constexpr std::chrono::milliseconds round_trip{1000};

}  // namespace

NatsPublisher::NatsPublisher(NatsConnection& connection, Ledger& ledger)
    : connection_(connection),
      ledger_(ledger),
      sender_([this](Worker& w) { send(w); }, [this] { wake(); }),
      confirmer_([this](Worker& w) { confirm(w); }, [this] { wake(); }) {}

NatsPublisher::~NatsPublisher() {
    sender_.end();
    confirmer_.end();  // asks once more for what was sent
    settle(sent_.size(), 0);
    for (const Queued& q : queued_) ledger_.settle(q.taken, false);
}

void NatsPublisher::wake() {
    const std::lock_guard lock(mutex_);
    queued_changed_.notify_all();
    sent_changed_.notify_all();
}

void NatsPublisher::publish(const Message& message, const Taken& taken) {
    Queued queued{to_nats(message), taken};
    const std::lock_guard lock(mutex_);
    queued_.push_back(std::move(queued));
    if (queued_.size() == 1) queued_changed_.notify_one();
}

void NatsPublisher::send(Worker& worker) {
    std::deque<Queued> batch;
    while (true) {
        {
            std::unique_lock lock(mutex_);
            queued_changed_.wait(lock, [&] { return worker.stopping() || !queued_.empty(); });
            if (worker.stopping()) return;
            batch.swap(queued_);
        }
        const auto session = connection_.current();
        for (Queued& q : batch) {
            natsStatus s = NATS_CONNECTION_CLOSED;
            if (!q.message) {
                ledger_.note("a message has a header that NATS can't carry");
            } else if (session) {
                s = natsConnection_PublishMsg(session->connection(), q.message.get());
                if (s != NATS_OK && s != NATS_CONNECTION_CLOSED) ledger_.note(nats_error(s));
            }
            q.message.reset();
            const std::lock_guard lock(mutex_);
            sent_.push_back({q.taken, s == NATS_OK ? session->number() : 0});
            if (sent_.size() == 1) sent_changed_.notify_one();
        }
        batch.clear();
    }
}

void NatsPublisher::settle(size_t count, uint64_t session) {
    std::deque<Sent> done;
    {
        const std::lock_guard lock(mutex_);
        if (count == sent_.size()) {
            done.swap(sent_);
        } else {
            const auto end = sent_.begin() + static_cast<ptrdiff_t>(count);
            done.assign(sent_.begin(), end);
            sent_.erase(sent_.begin(), end);
        }
    }
    for (const Sent& s : done) ledger_.settle(s.taken, session != 0 && s.session == session);
}

void NatsPublisher::confirm(Worker& worker) {
    bool last = false;
    while (!last) {
        {
            std::unique_lock lock(mutex_);
            sent_changed_.wait(lock, [&] { return worker.stopping() || !sent_.empty(); });
        }
        // What comes within this time shares the round trip.
        last = !worker.sleep(confirm_every);
        size_t count;
        {
            const std::lock_guard lock(mutex_);
            count = sent_.size();
        }
        if (count == 0) continue;
        const auto session = connection_.current();
        const natsStatus s =
            session ? natsConnection_FlushTimeout(session->connection(), round_trip.count()) : NATS_CONNECTION_CLOSED;
        if (s == NATS_OK) {
            settle(count, session->number());
        } else if (!session || !session->open()) {
            settle(count, 0);
        }
        // Else the server is slow: the next PING asks for these too.
    }
}

}  // namespace cvf::bus
