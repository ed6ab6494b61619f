#include "bus/kafka_producer.h"

#include <fmt/format.h>
#include <openssl/x509_vfy.h>

#include <charconv>
#include <utility>

#include "bus/checks.h"
#include "bus/kafka_words.h"
#include "bus/subjects.h"

namespace cvf::bus {

namespace {

constexpr std::chrono::milliseconds first_try{500};
// A reason that says what to do is not hidden by vaguer ones while the broker is being tried again.
constexpr std::chrono::seconds telling_holds{15};
constexpr std::chrono::milliseconds probe_wait{2000}, topic_wait{5000}, poll_wait{100};
// Longer than an election of leaders takes, short enough for the sink's spool to take over.
constexpr std::chrono::milliseconds give_up_after{15000};
// The library keeps to that but for what is on its way to a broker that has stopped answering: then the client is replaced.
constexpr std::chrono::milliseconds stuck_after{22000}, look_for_stuck{1000}, purge_wait{2000};

// The key of a message: 16 hex digits of the partition key, or the subject when that is 0.
std::string key_of(const Message& message) {
    return message.partition_key != 0 ? fmt::format("{:016x}", message.partition_key) : std::string(message.subject);
}

bool gone(rd_kafka_resp_err_t error) {
    return error == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || error == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC ||
           error == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION;
}

}  // namespace

int32_t KafkaProducer::choose_partition(const rd_kafka_topic_t*, const void* key, size_t size, int32_t count, void*, void*) {
    const std::string_view text(static_cast<const char*>(key), size);
    uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, 16);
    if (error != std::errc{} || end != text.data() + text.size() || size != 16) {
        number = 14695981039346656037u;  // FNV-1a
        for (char c : text) number = (number ^ static_cast<unsigned char>(c)) * 1099511628211u;
    }
    return static_cast<int32_t>(number % static_cast<uint64_t>(count));
}

void KafkaProducer::on_delivery(rd_kafka_t*, const rd_kafka_message_t* report, void* self) {
    const auto id = reinterpret_cast<uintptr_t>(report->_private);
    if (id != 0) static_cast<KafkaProducer*>(self)->meet(id, report, report->err);
}

uint64_t KafkaProducer::expect(Fate fate) {
    waiting_.emplace(++last_id_, Waiting{client_.get(), std::chrono::steady_clock::now(), std::move(fate)});
    return last_id_;
}

void KafkaProducer::meet(uint64_t id, const rd_kafka_message_t* report, rd_kafka_resp_err_t error) {
    Fate fate;
    {
        const std::lock_guard lock(mutex_);
        const auto it = waiting_.find(id);
        if (it == waiting_.end()) return;
        fate = std::move(it->second.fate);
        waiting_.erase(it);
    }
    fate(report, error);
}

void KafkaProducer::on_error(rd_kafka_t* client, int error, const char* reason, void* opaque) {
    auto* self = static_cast<KafkaProducer*>(opaque);
    const std::lock_guard lock(self->mutex_);
    if (client != self->client_.get()) return;
    if (error == RD_KAFKA_RESP_ERR__FATAL) {
        self->fatal_ = true;
    } else if (error == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
        self->down_ = true;
    } else {
        const auto code = static_cast<rd_kafka_resp_err_t>(error);
        self->note_trouble(code, reason ? reason : rd_kafka_err2str(code));
        return;
    }
    self->changed_.notify_all();
}

void KafkaProducer::note_trouble(rd_kafka_resp_err_t error, std::string_view reason) {
    // Brokers end connections that are idle, and that is no trouble.
    if (error == RD_KAFKA_RESP_ERR__TRANSPORT && reason.find("Disconnected") != reason.npos &&
        reason.find("ApiVersion") == reason.npos)
        return;
    KafkaTrouble trouble = explain_kafka(error, reason, certificate_error_, address_, options_);
    const auto now = std::chrono::steady_clock::now();
    if (trouble.telling)
        told_at_ = now;
    else if (now - told_at_ < telling_holds)
        return;
    ledger_.note(std::move(trouble.words));
}

// OpenSSL has judged; this only listens.
int KafkaProducer::on_certificate(rd_kafka_t*, const char*, int32_t, int* error, int, const char*, size_t, char* words,
                                  size_t room, void* opaque) {
    if (*error == X509_V_OK) return 1;
    static_cast<KafkaProducer*>(opaque)->certificate_error_ = *error;
    if (room > 0) words[0] = '\0';
    return 0;
}

KafkaProducer::KafkaProducer(const Address& address, const Options& options, Ledger& ledger)
    : address_(address), options_(options), ledger_(ledger), topics_(options.partitions, options.replicas) {}

std::expected<KafkaHandle, std::string> KafkaProducer::make() {
    // The library's own bounds are wider than the ledger's, which is the one that counts.
    const size_t kilobytes = std::min<size_t>(options_.pending_bytes / 512 + 4096, 2'000'000);
    auto config = kafka_config(address_, options_,
                               {{"enable.idempotence", "true"},
                                {"compression.codec", options_.compression},
                                {"linger.ms", std::to_string(options_.linger.count())},
                                {"message.timeout.ms", std::to_string(give_up_after.count())},
                                {"request.timeout.ms", "5000"},
                                {"queue.buffering.max.kbytes", std::to_string(kilobytes)},
                                {"queue.buffering.max.messages", "10000000"}});
    if (!config) return std::unexpected(config.error());
    rd_kafka_conf_set_opaque(config->get(), this);
    rd_kafka_conf_set_dr_msg_cb(config->get(), on_delivery);
    rd_kafka_conf_set_error_cb(config->get(), on_error);
    if (wants_tls(options_, address_)) rd_kafka_conf_set_ssl_cert_verify_cb(config->get(), on_certificate);
    rd_kafka_topic_conf_t* topic = rd_kafka_topic_conf_new();
    rd_kafka_topic_conf_set_partitioner_cb(topic, choose_partition);
    rd_kafka_conf_set_default_topic_conf(config->get(), topic);
    return kafka_client(KafkaRole::producer, std::move(*config));
}

std::expected<std::unique_ptr<KafkaProducer>, std::string> KafkaProducer::create(const Address& address, const Options& options,
                                                                                 Ledger& ledger) {
    std::unique_ptr<KafkaProducer> out(new KafkaProducer(address, options, ledger));
    auto client = out->make();
    if (!client) return std::unexpected(client.error());
    out->client_ = std::move(*client);
    const auto wake = [p = out.get()] {
        const std::lock_guard lock(p->mutex_);
        p->changed_.notify_all();
    };
    out->reporter_ = std::make_unique<Worker>([p = out.get()](Worker& w) { p->report(w); });
    out->keeper_ = std::make_unique<Worker>([p = out.get()](Worker& w) { p->keep(w); }, wake);
    std::unique_lock lock(out->mutex_);
    out->changed_.wait_for(lock, first_try, [&] { return out->tried_; });
    lock.unlock();
    return out;
}

KafkaProducer::~KafkaProducer() {
    if (keeper_) keeper_->end();
    if (reporter_) reporter_->end();
    if (!client_) return;
    abandon(client_, ledger_.is_connected() ? std::chrono::milliseconds(1000) : std::chrono::milliseconds(0));
    for (const Failed& f : failed_) ledger_.settle(f.taken, false, f.refused);
    for (auto& [topic, queue] : held_) {
        for (const Queued& q : queue) ledger_.settle(q.taken, false);
    }
}

// Waits for what is under way, then takes the rest back: each message meets its fate.
void KafkaProducer::abandon(const KafkaHandle& client, std::chrono::milliseconds wait) {
    rd_kafka_flush(client.get(), static_cast<int>(wait.count()));
    if (rd_kafka_outq_len(client.get()) > 0) {
        rd_kafka_purge(client.get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        rd_kafka_flush(client.get(), static_cast<int>(purge_wait.count()));
    }
    std::vector<uint64_t> left;
    {
        const std::lock_guard lock(mutex_);
        for (const auto& [id, waiting] : waiting_) {
            if (waiting.client == client.get()) left.push_back(id);
        }
    }
    for (uint64_t id : left) meet(id, nullptr, RD_KAFKA_RESP_ERR__PURGE_INFLIGHT);
}

void KafkaProducer::replace_client(const std::string& why, Worker& worker) {
    const KafkaHandle old = handle();
    ledger_.disconnected(why);
    if (auto next = make()) {
        const std::lock_guard lock(mutex_);
        client_ = std::move(*next);
        down_ = true;
    } else {
        ledger_.note(next.error());
        worker.sleep(options_.reconnect_wait);
    }
    abandon(old, std::chrono::milliseconds(0));
}

KafkaHandle KafkaProducer::handle() const {
    const std::lock_guard lock(mutex_);
    return client_;
}

KafkaProducer::Fate KafkaProducer::settle_with(const Taken& taken, const std::string& topic) {
    return [this, taken, topic](const rd_kafka_message_t*, rd_kafka_resp_err_t error) {
        if (gone(error)) topics_.forget(topic);
        if (error && error != RD_KAFKA_RESP_ERR__PURGE_QUEUE && error != RD_KAFKA_RESP_ERR__PURGE_INFLIGHT) {
            ledger_.note(fmt::format("topic {}: {}", topic, rd_kafka_err2str(error)));
        }
        ledger_.settle(taken, !error);
    };
}

void KafkaProducer::produce(const Queued& q) {
    rd_kafka_headers_t* headers = rd_kafka_headers_new(q.headers.size());
    for (const auto& [name, value] : q.headers) {
        rd_kafka_header_add(headers, name.data(), static_cast<ssize_t>(name.size()), value.data(),
                            static_cast<ssize_t>(value.size()));
    }
    const uint64_t id = expect(settle_with(q.taken, q.topic));
    const rd_kafka_resp_err_t error = rd_kafka_producev(
        client_.get(), RD_KAFKA_V_TOPIC(q.topic.c_str()), RD_KAFKA_V_KEY(q.key.data(), q.key.size()),
        RD_KAFKA_V_VALUE(const_cast<char*>(q.payload.data()), q.payload.size()), RD_KAFKA_V_HEADERS(headers),
        RD_KAFKA_V_OPAQUE(reinterpret_cast<void*>(id)), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
    if (error) {
        waiting_.erase(id);
        rd_kafka_headers_destroy(headers);
        ledger_.note(fmt::format("topic {}: {}", q.topic, rd_kafka_err2str(error)));
        failed_.push_back({q.taken, error == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE});  // of itself: no broker was asked
        changed_.notify_all();
    }
}

void KafkaProducer::publish(const Message& message, const Taken& taken) {
    Topic topic = topic_of(message.subject);
    Queued q{std::move(topic.name), key_of(message), std::string(message.payload), {}, taken};
    for (const Header& h : message.headers) q.headers.emplace_back(h.name, h.value);
    for (auto& [name, value] : topic.headers) q.headers.emplace_back(name, std::move(value));
    const bool known = topics_.known(q.topic);
    const std::lock_guard lock(mutex_);
    const auto held = held_.find(q.topic);
    if (known && held == held_.end()) {
        produce(q);
        return;
    }
    held_[q.topic].push_back(std::move(q));
    changed_.notify_all();
}

std::string KafkaProducer::ensure(const std::string& topic, KafkaTopics::Kind kind, std::chrono::milliseconds wait) {
    if (topics_.known(topic)) return {};
    const auto deadline = std::chrono::steady_clock::now() + wait;
    while (!ledger_.is_connected()) {
        if (std::chrono::steady_clock::now() >= deadline) {
            const std::string error = ledger_.state().last_error;
            return error.empty() ? "not connected" : error;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return topics_.ensure(handle().get(), topic, kind, wait);
}

std::expected<int64_t, std::string> KafkaProducer::store(const std::string& topic, std::string_view key,
                                                         const std::string_view* value, std::chrono::milliseconds wait) {
    struct Answer {
        std::mutex mutex;
        std::condition_variable come;
        bool done = false;
        rd_kafka_resp_err_t error{};
        int64_t offset = -1;
    };
    const auto answer = std::make_shared<Answer>();
    Fate fate([answer](const rd_kafka_message_t* report, rd_kafka_resp_err_t error) {
        const std::lock_guard lock(answer->mutex);
        answer->done = true;
        answer->error = error;
        answer->offset = report ? report->offset : -1;
        answer->come.notify_all();
    });
    // An empty value is not the same as none.
    static const char nothing = 0;
    const void* data = value ? (value->empty() ? &nothing : value->data()) : nullptr;
    rd_kafka_resp_err_t error;
    {
        const std::lock_guard lock(mutex_);
        const uint64_t id = expect(std::move(fate));
        error = rd_kafka_producev(
            client_.get(), RD_KAFKA_V_TOPIC(topic.c_str()), RD_KAFKA_V_PARTITION(0), RD_KAFKA_V_KEY(key.data(), key.size()),
            RD_KAFKA_V_VALUE(const_cast<void*>(data), value ? value->size() : 0), RD_KAFKA_V_OPAQUE(reinterpret_cast<void*>(id)),
            RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
        if (error) waiting_.erase(id);
    }
    if (error) return store_failed(topic, error);
    std::unique_lock lock(answer->mutex);
    if (!answer->come.wait_for(lock, wait, [&] { return answer->done; })) {
        return std::unexpected(fmt::format("{}: the brokers have not answered; it may be written yet", topic));
    }
    if (answer->error) return store_failed(topic, answer->error);
    return answer->offset;
}

std::unexpected<std::string> KafkaProducer::store_failed(const std::string& topic, rd_kafka_resp_err_t error) {
    if (gone(error)) topics_.forget(topic);
    return std::unexpected(fmt::format("{}: {}", topic, rd_kafka_err2str(error)));
}

void KafkaProducer::report(Worker& worker) {
    while (!worker.stopping()) rd_kafka_poll(handle().get(), static_cast<int>(poll_wait.count()));
}

// Finds out whether a broker answers, for as long as none does.
void KafkaProducer::probe(Worker& worker) {
    const rd_kafka_metadata_t* raw = nullptr;
    const rd_kafka_resp_err_t error = rd_kafka_metadata(handle().get(), 0, nullptr, &raw, static_cast<int>(probe_wait.count()));
    if (!error) {
        const KafkaOwned<const rd_kafka_metadata_t> metadata(raw);
        const bool again = std::exchange(was_up_, true);
        {
            const std::lock_guard lock(mutex_);
            down_ = false;
        }
        ledger_.connected(raw->orig_broker_name ? raw->orig_broker_name : "kafka", again);
    } else {
        // An error of login or TLS has been noted with its reason; a time-out would only hide it.
        const bool vague = error == RD_KAFKA_RESP_ERR__TRANSPORT || error == RD_KAFKA_RESP_ERR__TIMED_OUT;
        std::string words = fmt::format("{}: {}", fmt::join(address_.servers, ", "), rd_kafka_err2str(error));
        // A broker that wants a login just hangs up when it is asked without.
        if (vague && address_.user.empty() && !wants_tls(options_, address_))
            words += "; if the broker wants a login, give --bus-user and --bus-password-file; if TLS, write kafka+tls://";
        ledger_.disconnected(vague && !ledger_.state().last_error.empty() ? std::string() : words);
    }
    {
        const std::lock_guard lock(mutex_);
        tried_ = true;
        changed_.notify_all();
    }
    if (error) worker.sleep(options_.reconnect_wait);
}

void KafkaProducer::release_held(const std::string& topic) {
    std::string error = topics_.ensure(handle().get(), topic, KafkaTopics::Kind::stream, topic_wait);
    if (!error.empty()) ledger_.note(error);
    const std::lock_guard lock(mutex_);
    const auto held = held_.find(topic);
    for (const Queued& q : held->second) {
        if (error.empty()) {
            produce(q);
        } else {
            failed_.push_back({q.taken, false});
        }
    }
    held_.erase(held);
}

void KafkaProducer::keep(Worker& worker) {
    while (!worker.stopping()) {
        std::string topic;
        std::deque<Failed> failed;
        bool fatal, down, stuck;
        {
            std::unique_lock lock(mutex_);
            const auto ready = [&] { return worker.stopping() || fatal_ || down_ || !held_.empty() || !failed_.empty(); };
            changed_.wait_for(lock, look_for_stuck, ready);
            if (worker.stopping()) return;
            fatal = std::exchange(fatal_, false);
            down = down_;
            stuck = !waiting_.empty() && std::chrono::steady_clock::now() - waiting_.begin()->second.since > stuck_after;
            failed.swap(failed_);
            if (!held_.empty()) topic = held_.begin()->first;
        }
        for (const Failed& f : failed) ledger_.settle(f.taken, false, f.refused);
        if (fatal) {
            char why[256] = "";
            rd_kafka_fatal_error(handle().get(), why, sizeof why);
            replace_client(fmt::format("the producer failed: {}", why), worker);
        } else if (stuck) {
            replace_client("the brokers do not answer", worker);
        } else {
            if (down) {
                ledger_.disconnected({});
                probe(worker);
            }
            if (!topic.empty()) release_held(topic);
        }
    }
}

}  // namespace cvf::bus
