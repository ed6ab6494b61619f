#include "bus/nats_durable.h"

#include <fmt/format.h>

#include <charconv>
#include <utility>

#include "bus/nats_streams.h"
#include "bus/subjects.h"

namespace cvf::bus {

namespace {

constexpr std::chrono::seconds answer_within{5};
constexpr std::chrono::seconds try_stream_again{1};
constexpr std::chrono::milliseconds tick{250}, look_again{10000};

}  // namespace

NatsDurable::NatsDurable(NatsConnection& connection, Ledger& ledger, unsigned replicas)
    : connection_(connection),
      ledger_(ledger),
      replicas_(replicas),
      reader_([this](Worker& w) { read(w); },
              [this] {
                  acks_.interrupt();
                  const std::lock_guard lock(mutex_);
                  inbox_changed_.notify_all();
              }),
      publisher_([this](Worker& w) { run(w); },
                 [this] {
                     const std::lock_guard lock(mutex_);
                     queued_changed_.notify_all();
                 }) {}

NatsDurable::~NatsDurable() {
    publisher_.end();
    reader_.end();
    if (reading_subscription_) reading_->let_go(reading_subscription_);
    reading_.reset();
    give_up(false);
    for (const Queued& q : queued_) ledger_.settle(q.taken, false);
}

void NatsDurable::publish(const Message& message, const Taken& taken) {
    Queued queued{std::string(message.subject), std::string(message.payload), {}, taken};
    std::string_view agent, first;
    for (const Header& h : message.headers) {
        queued.headers.emplace_back(h.name, h.value);
        if (h.name == header::agent) agent = h.value;
        if (h.name == header::first) first = h.value;
    }
    if (!agent.empty() && !first.empty()) {
        queued.headers.emplace_back("Nats-Msg-Id", fmt::format("{}/{}/{}", agent, first, message.subject));
    }
    const std::lock_guard lock(mutex_);
    queued_.push_back(std::move(queued));
    queued_changed_.notify_one();
}

// Settles what waits for an answer: all of it, or what has waited for too long.
void NatsDurable::give_up(bool only_late) {
    std::vector<Taken> lost;
    {
        const std::lock_guard lock(mutex_);
        const auto now = std::chrono::steady_clock::now();
        for (auto it = asked_.begin(); it != asked_.end() && (!only_late || it->second.due <= now); it = asked_.erase(it)) {
            lost.push_back(it->second.taken);
        }
    }
    if (only_late && !lost.empty()) ledger_.note("JetStream did not answer in time");
    for (const Taken& t : lost) ledger_.settle(t, false);
}

void NatsDurable::answered(uint64_t id, bool delivered) {
    Taken taken;
    {
        const std::lock_guard lock(mutex_);
        const auto it = asked_.find(id);
        if (it == asked_.end()) return;
        taken = it->second.taken;
        asked_.erase(it);
    }
    ledger_.settle(taken, delivered);
}

// True when there is a connection with an inbox for acknowledgements on it.
bool NatsDurable::follow_session() {
    const auto now = connection_.current();
    if (session_ && session_ == now && session_->open()) return true;
    if (session_) {
        session_.reset();
        streams_.clear();
        give_up(false);
    }
    if (!now || !now->open()) return false;
    natsInbox* name = nullptr;
    if (natsInbox_Create(&name) != NATS_OK) return false;
    inbox_ = name;
    natsInbox_Destroy(name);
    natsSubscription* subscription = nullptr;
    if (natsConnection_SubscribeSync(&subscription, now->connection(), (inbox_ + ".*").c_str()) != NATS_OK) return false;
    natsSubscription_SetPendingLimits(subscription, -1, -1);  // bounded by what waits for an answer
    session_ = now;
    acks_.end_this();  // the one before, whose connection may be open yet
    natsSubscription* unread;
    NatsConnection::SessionPtr of;
    {
        const std::lock_guard lock(mutex_);
        unread = std::exchange(reading_subscription_, subscription);
        of = std::exchange(reading_, now);
        inbox_changed_.notify_all();
    }
    if (unread) of->let_go(unread);
    return true;
}

std::string NatsDurable::stream_for(std::string_view subject) {
    const Channel* channel = channel_of(subject);
    if (!channel) return {};  // somebody's own: without a stream for it, there is no answer
    const auto now = std::chrono::steady_clock::now();
    const auto known = streams_.find(channel->name);
    if (known != streams_.end() && (known->second.first.empty() || known->second.second > now)) return known->second.first;
    std::string error = ensure_nats_stream(*session_, *channel, replicas_);
    if (!error.empty()) ledger_.note(error);
    streams_[channel->name] = {error, now + try_stream_again};
    return error;
}

void NatsDurable::send(const Queued& queued) {
    if (!follow_session() || !stream_for(queued.subject).empty()) {
        ledger_.settle(queued.taken, false);
        return;
    }
    std::vector<Header> headers;
    for (const auto& [name, value] : queued.headers) headers.push_back({name, value});
    uint64_t id;
    {
        const std::lock_guard lock(mutex_);
        id = ++last_id_;
        asked_[id] = {queued.taken, std::chrono::steady_clock::now() + answer_within};
    }
    const auto message = to_nats({queued.subject, queued.payload, headers}, fmt::format("{}.{}", inbox_, id).c_str());
    const natsStatus s = message ? natsConnection_PublishMsg(session_->connection(), message.get()) : NATS_INVALID_ARG;
    if (s != NATS_OK) {
        ledger_.note(nats_error(s));
        answered(id, false);
    }
}

void NatsDurable::run(Worker& worker) {
    std::deque<Queued> batch;
    while (true) {
        {
            std::unique_lock lock(mutex_);
            // Without anything to wait for, no ticking.
            const auto ready = [&] { return worker.stopping() || !queued_.empty(); };
            if (asked_.empty()) {
                queued_changed_.wait(lock, ready);
            } else {
                queued_changed_.wait_for(lock, tick, ready);
            }
            if (worker.stopping()) break;
            batch.swap(queued_);
        }
        for (const Queued& q : batch) send(q);
        batch.clear();
        if (session_ && (!session_->open() || session_ != connection_.current())) follow_session();
        give_up(true);
    }
    session_.reset();
}

void NatsDurable::read(Worker& worker) {
    while (!worker.stopping()) {
        {
            std::unique_lock lock(mutex_);
            inbox_changed_.wait(lock, [&] { return worker.stopping() || reading_subscription_ || acks_.is_set(); });
            if (reading_subscription_) {
                natsSubscription* next = std::exchange(reading_subscription_, nullptr);
                auto session = std::exchange(reading_, nullptr);
                lock.unlock();
                acks_.close();
                acks_.set(std::move(session), next);
            }
        }
        if (worker.stopping()) break;
        NatsOwned<natsMsg> message;
        const natsStatus s = acks_.next(message, look_again);
        if (s == NATS_OK) {
            const std::string_view subject(natsMsg_GetSubject(message.get()));
            const std::string_view number = subject.substr(subject.rfind('.') + 1);
            uint64_t id = 0;
            if (std::from_chars(number.data(), number.data() + number.size(), id).ec != std::errc{}) continue;
            const std::string_view answer(natsMsg_GetData(message.get()),
                                          static_cast<size_t>(natsMsg_GetDataLength(message.get())));
            const bool none = natsMsg_IsNoResponders(message.get());
            const bool delivered = !none && answer.find("\"seq\"") != answer.npos && answer.find("\"error\"") == answer.npos;
            if (!delivered) {
                ledger_.note(none ? "JetStream: no stream takes this subject"
                                  : fmt::format("JetStream: {}", answer.substr(0, 200)));
            }
            answered(id, delivered);
        } else if (s != NATS_TIMEOUT && s != NATS_SLOW_CONSUMER) {
            acks_.close();
        }
    }
    acks_.close();
}

}  // namespace cvf::bus
