#include "bus/nats_publish.h"

#include <algorithm>

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
    settle(sent_.size(), nullptr);
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
            const Sent sent = send_one(session.get(), q);
            q.message.reset();
            const std::lock_guard lock(mutex_);
            sent_.push_back(sent);
            if (sent_.size() == 1) sent_changed_.notify_one();
        }
        batch.clear();
    }
}

NatsPublisher::Sent NatsPublisher::send_one(NatsConnection::Session* session, const Queued& queued) {
    Sent sent{.taken = queued.taken};
    if (!queued.message) {
        ledger_.note("a message has a header that NATS can't carry");
        sent.refused = true;
        return sent;
    }
    if (!session) return sent;
    const auto ticket = session->denials().ask(natsMsg_GetSubject(queued.message.get()));
    if (!ticket) return sent;
    sent.ticket = *ticket;
    const natsStatus s = natsConnection_PublishMsg(session->connection(), queued.message.get());
    if (s == NATS_OK)
        sent.session = session->number();
    else if (s != NATS_CONNECTION_CLOSED)
        ledger_.note(nats_error(s));
    sent.refused = s == NATS_MAX_PAYLOAD;
    return sent;
}

void NatsPublisher::settle(size_t count, NatsConnection::Session* session) {
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
    for (const Sent& s : done) {
        const bool good = session && s.session == session->number() && session->denials().arrived(s.ticket);
        ledger_.settle(s.taken, good, s.refused);
    }
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
        bool question;
        {
            const std::lock_guard lock(mutex_);
            count = sent_.size();
            question = std::ranges::any_of(sent_, [](const Sent& s) { return s.ticket.question; });
        }
        if (count == 0) continue;
        const auto session = connection_.current();
        const natsStatus s =
            session ? natsConnection_FlushTimeout(session->connection(), round_trip.count()) : NATS_CONNECTION_CLOSED;
        if (s == NATS_OK) {
            const char* words = nullptr;
            const bool denied = natsConnection_GetLastError(session->connection(), &words) == NATS_NOT_PERMITTED && words;
            if (question) worker.sleep(NatsDenials::answer_within);
            settle(count, denied && session->denials().news(words) ? nullptr : session.get());
        } else if (!session || !session->open()) {
            settle(count, nullptr);
        }
        // Else the server is slow: the next PING asks for these too.
    }
}

}  // namespace cvf::bus
