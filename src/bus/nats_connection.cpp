#include "bus/nats_connection.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <random>
#include <unordered_map>
#include <utility>

#include "bus/checks.h"

namespace cvf::bus {

namespace {

constexpr std::chrono::milliseconds connect_timeout{2000};
// A server that is gone without a word is noticed after two of these.
constexpr std::chrono::milliseconds ping_interval{2000};
constexpr int pings_out = 2;
// A write that a server does not take for so long ends the connection: it would hold up the pings that notice.
constexpr std::chrono::milliseconds write_deadline{4000};
constexpr std::chrono::milliseconds first_try{500};
constexpr std::chrono::milliseconds farewell{2000};
constexpr std::chrono::milliseconds request_timeout{2000};
constexpr size_t most_learned = 32;

// "nats://user:password@host" without what stands before the @.
std::string without_login(std::string_view url) {
    const size_t scheme = url.find("://"), at = url.rfind('@');
    if (at == url.npos) return std::string(url);
    const size_t begin = scheme == url.npos ? 0 : scheme + 3;
    return fmt::format("{}{}", url.substr(0, begin), url.substr(at + 1));
}

constexpr int64_t free_within = 1000;  // ms

// The sessions that live. libnats may tell of an error after it has told that the connection is
// closed: a callback that finds no session here has nobody to tell. Never destroyed, as the library's threads outlive statics.
struct Register {
    std::mutex mutex;
    std::unordered_map<uintptr_t, NatsConnection::Session*> living;
    uintptr_t last = 0;
};

Register& sessions() {
    static auto* const made = new Register;
    return *made;
}

}  // namespace

namespace {

// The option that mends what the server or OpenSSL refuses; empty where waiting may.
std::string_view remedy(natsStatus status, bool login) {
    switch (status) {
        case NATS_CONNECTION_AUTH_FAILED:
            return login ? "check --bus-user and --bus-password-file, or --bus-credentials"
                         : "it wants a login: give --bus-user and --bus-password-file, or --bus-credentials";
        case NATS_SECURE_CONNECTION_REQUIRED:
            return "the server wants TLS: write tls:// in --bus";
        case NATS_SECURE_CONNECTION_WANTED:
            return "the server speaks no TLS here: write nats:// in --bus and give no --bus-ca";
        case NATS_SSL_ERROR:
            return "--bus-ca names the authorities that may vouch for the server, whose certificate must bear the name in --bus; "
                   "one that wants to see a certificate gets it from --bus-cert and --bus-key";
        default:
            return {};
    }
}

}  // namespace

std::string nats_error(natsStatus status) {
    natsStatus last = NATS_OK;
    const char* text = nats_GetLastError(&last);
    if (!text || !*text || last != status) return natsStatus_GetText(status);
    // "(conn.c:2088): " is for its authors.
    const std::string_view words(text);
    const size_t end = words.find("): ");
    return std::string(words.starts_with('(') && end != words.npos ? words.substr(end + 3) : words);
}

NatsConnection::Session::Session(NatsConnection& owner, uint64_t number) : owner_(owner), number_(number) {
    Register& all = sessions();
    const std::lock_guard lock(all.mutex);
    place_ = ++all.last;
    all.living[place_] = this;
}

NatsConnection::Session::~Session() {
    if (connection_) {
        natsConnection_Close(connection_);
        std::unique_lock lock(mutex_);
        closed_changed_.wait(lock, [&] { return closed_; });
    }
    {
        Register& all = sessions();
        const std::lock_guard lock(all.mutex);
        all.living.erase(place_);
    }
    if (!connection_) return;
    for (natsSubscription* s : unfreed_) natsSubscription_Destroy(s);
    if (jetstream_) jsCtx_Destroy(jetstream_);
    natsConnection_Destroy(connection_);
}

void NatsConnection::Session::let_go(natsSubscription* subscription) {
    // The library (3.4) hands over what it has read without holding the subscription: to free one then is to let it write to what
    // is somebody else's. It reads in order: with the answer to a question asked after the end, it is past it.
    natsSubscription_Unsubscribe(subscription);
    if (natsConnection_FlushTimeout(connection_, free_within) == NATS_OK) return natsSubscription_Destroy(subscription);
    const std::lock_guard lock(mutex_);
    unfreed_.push_back(subscription);
}

template <typename Tell>
void NatsConnection::with_session(void* closure, const Tell& tell) {
    Register& all = sessions();
    const std::lock_guard lock(all.mutex);
    const auto at = all.living.find(reinterpret_cast<uintptr_t>(closure));
    if (at != all.living.end()) tell(*at->second);
}

void NatsConnection::on_closed(natsConnection*, void* closure) {
    with_session(closure, [](Session& session) {
        {
            const std::lock_guard lock(session.owner_.mutex_);
            session.owner_.lost_ |= session.owner_.current_.get() == &session;
            session.owner_.changed_.notify_all();
        }
        const std::lock_guard lock(session.mutex_);
        session.closed_ = true;
        session.closed_changed_.notify_all();
    });
}

void NatsConnection::on_disconnected(natsConnection*, void* closure) {
    with_session(closure, [](Session& session) {
        const std::lock_guard lock(session.owner_.mutex_);
        session.owner_.lost_ |= session.owner_.current_.get() == &session;
        session.owner_.changed_.notify_all();
    });
}

void NatsConnection::on_lame_duck(natsConnection*, void* closure) {
    with_session(closure, [](Session& session) {
        const std::lock_guard lock(session.owner_.mutex_);
        session.owner_.lame_duck_ |= session.owner_.current_.get() == &session;
        session.owner_.changed_.notify_all();
    });
}

void NatsConnection::on_error(natsConnection* connection, natsSubscription*, natsStatus status, void* closure) {
    with_session(closure, [&](Session& session) { session.failed(connection, status); });
}

void NatsConnection::Session::failed(natsConnection* connection, natsStatus status) {
    if (status == NATS_SLOW_CONSUMER) return;  // counted where it is read
    // Each error's own words are this thread's last error; the connection has only the newest.
    if (status == NATS_NOT_PERMITTED) denials_.refused(nats_error(status));
    const char* text = nullptr;
    if (natsConnection_GetLastError(connection, &text) != NATS_OK && text && *text) owner_.ledger_.note(text);
}

NatsConnection::NatsConnection(const Address& address, const Options& options, Ledger& ledger)
    : ledger_(ledger),
      reconnect_wait_(std::max(options.reconnect_wait, std::chrono::milliseconds(10))),
      login_(!address.user.empty() || !address.token.empty() || !options.credentials_file.empty()),
      scheme_(wants_tls(options, address) ? "tls" : "nats") {
    for (const std::string& s : address.servers) servers_.push_back(fmt::format("{}://{}", scheme_, s));
}

std::string NatsConnection::configure(const Options& options, const Address& address) {
    natsStatus s = natsOptions_Create(&options_);
    const auto set = [&](natsStatus next) {
        if (s == NATS_OK) s = next;
    };
    const auto milliseconds = [](std::chrono::milliseconds t) { return static_cast<int64_t>(t.count()); };
    if (s != NATS_OK) return nats_error(s);
    set(natsOptions_SetName(options_, options.client_name.c_str()));
    set(natsOptions_SetTimeout(options_, milliseconds(connect_timeout)));
    set(natsOptions_SetAllowReconnect(options_, false));
    set(natsOptions_SetPingInterval(options_, milliseconds(ping_interval)));
    set(natsOptions_SetMaxPingsOut(options_, pings_out));
    set(natsOptions_SetWriteDeadline(options_, milliseconds(write_deadline)));
    set(natsOptions_SetFailRequestsOnDisconnect(options_, true));
    if (!address.user.empty()) set(natsOptions_SetUserInfo(options_, address.user.c_str(), address.password.c_str()));
    if (!address.token.empty()) set(natsOptions_SetToken(options_, address.token.c_str()));
    if (!options.credentials_file.empty()) {
        set(natsOptions_SetUserCredentialsFromFiles(options_, options.credentials_file.c_str(), nullptr));
    }
    if (scheme_ == "tls") {
        set(natsOptions_SetSecure(options_, true));
        if (!options.ca_file.empty()) set(natsOptions_LoadCATrustedCertificates(options_, options.ca_file.c_str()));
        if (!options.cert_file.empty()) {
            set(natsOptions_LoadCertificatesChain(options_, options.cert_file.c_str(), options.key_file.c_str()));
        }
    }
    return s == NATS_OK ? std::string() : nats_error(s);
}

std::expected<std::unique_ptr<NatsConnection>, std::string> NatsConnection::create(const Address& address, const Options& options,
                                                                                   Ledger& ledger) {
    std::unique_ptr<NatsConnection> out(new NatsConnection(address, options, ledger));
    if (std::string error = out->configure(options, address); !error.empty()) return std::unexpected("bus: " + error);
    out->keeper_ = std::make_unique<Worker>([c = out.get()](Worker& w) { c->keep(w); }, [c = out.get()] { c->wake(); });
    // A server that is there answers well within this; one that is not is a state.
    std::unique_lock lock(out->mutex_);
    out->changed_.wait_for(lock, first_try, [&] { return out->tried_; });
    lock.unlock();
    return out;
}

NatsConnection::~NatsConnection() {
    if (keeper_) keeper_->end();
    SessionPtr last;
    {
        const std::lock_guard lock(mutex_);
        last.swap(current_);
    }
    last.reset();
    natsOptions_Destroy(options_);
}

NatsConnection::SessionPtr NatsConnection::current() const {
    const std::lock_guard lock(mutex_);
    return current_;
}

NatsConnection::SessionPtr NatsConnection::wait(std::chrono::milliseconds time, uint64_t not_this, const Worker* worker) const {
    std::unique_lock lock(mutex_);
    const auto ready = [&] { return current_ && current_->number() != not_this; };
    changed_.wait_for(lock, time, [&] { return ready() || (worker && worker->stopping()); });
    return ready() && !(worker && worker->stopping()) ? current_ : nullptr;
}

void NatsConnection::wake() const {
    const std::lock_guard lock(mutex_);
    changed_.notify_all();
}

void NatsConnection::learn_servers(natsConnection* connection) {
    char** servers = nullptr;
    int count = 0;
    if (natsConnection_GetDiscoveredServers(connection, &servers, &count) != NATS_OK) return;
    for (int i = 0; i < count; i++) {
        const std::string found(servers[i]);
        const size_t at = found.find("://");
        std::string url = fmt::format("{}://{}", scheme_, at == found.npos ? found : found.substr(at + 3));
        const bool known = std::find(servers_.begin(), servers_.end(), url) != servers_.end() ||
                           std::find(learned_.begin(), learned_.end(), url) != learned_.end();
        if (!known && learned_.size() < most_learned) learned_.push_back(std::move(url));
        std::free(servers[i]);
    }
    std::free(servers);
}

std::expected<NatsConnection::SessionPtr, std::string> NatsConnection::open(uint64_t number) {
    auto session = std::make_shared<Session>(*this, number);
    std::vector<const char*> urls;
    for (const std::string& s : servers_) urls.push_back(s.c_str());
    for (const std::string& s : learned_) urls.push_back(s.c_str());
    natsStatus s = natsOptions_SetServers(options_, urls.data(), static_cast<int>(urls.size()));
    if (s == NATS_OK) s = natsOptions_SetClosedCB(options_, on_closed, session->closure());
    if (s == NATS_OK) s = natsOptions_SetDisconnectedCB(options_, on_disconnected, session->closure());
    if (s == NATS_OK) s = natsOptions_SetLameDuckModeCB(options_, on_lame_duck, session->closure());
    if (s == NATS_OK) s = natsOptions_SetErrorHandler(options_, on_error, session->closure());
    if (s == NATS_OK) s = natsConnection_Connect(&session->connection_, options_);
    if (s != NATS_OK) {
        session->connection_ = nullptr;
        const std::string_view mends = remedy(s, login_);
        return std::unexpected(mends.empty() ? nats_error(s) : fmt::format("{}: {}", nats_error(s), mends));
    }
    jsOptions js;
    jsOptions_Init(&js);
    js.Wait = request_timeout.count();
    s = natsConnection_JetStream(&session->jetstream_, session->connection_, &js);
    if (s != NATS_OK) return std::unexpected(nats_error(s));
    learn_servers(session->connection_);
    session->servers_ = servers_.size() + learned_.size();
    return session;
}

void NatsConnection::retire() {
    SessionPtr last;
    std::string why;
    {
        const std::lock_guard lock(mutex_);
        last.swap(current_);
        lost_ = false;
        why = std::exchange(lame_duck_, false) ? "the server is shutting down" : "the connection was lost";
    }
    if (!last) return;
    const char* text = nullptr;
    if (natsConnection_GetLastError(last->connection(), &text) != NATS_OK && text && *text) why += fmt::format(" ({})", text);
    ledger_.disconnected(std::move(why));
}

void NatsConnection::keep(Worker& worker) {
    uint64_t number = 0;
    bool again = false;
    std::chrono::milliseconds wait = reconnect_wait_;
    std::minstd_rand random(std::random_device{}());
    while (!worker.stopping()) {
        bool polite;
        {
            std::unique_lock lock(mutex_);
            changed_.wait(lock, [&] { return worker.stopping() || !current_ || lost_ || lame_duck_; });
            polite = current_ && lame_duck_ && !lost_;
        }
        if (worker.stopping()) return;
        if (polite) {
            // Lame duck: what was sent is confirmed before we go; nothing new is taken meanwhile.
            ledger_.disconnected("the server is shutting down");
            ledger_.drain(farewell);
        }
        retire();
        auto opened = open(++number);
        if (opened) {
            char url[256] = "";
            natsConnection_GetConnectedUrl((*opened)->connection(), url, sizeof url);
            {
                const std::lock_guard lock(mutex_);
                current_ = *opened;
                lost_ = !current_->open();
            }
            ledger_.connected(without_login(url), std::exchange(again, true));
            wait = reconnect_wait_;
        } else {
            ledger_.disconnected(fmt::format("{}: {}", fmt::join(servers_, ", "), opened.error()));
        }
        {
            const std::lock_guard lock(mutex_);
            tried_ = true;
            changed_.notify_all();
        }
        if (!opened) {
            // A fleet does not come back in step.
            const auto spread = std::uniform_int_distribution<int64_t>(0, wait.count() / 2)(random);
            worker.sleep(wait + std::chrono::milliseconds(spread));
            wait = std::min(wait * 3 / 2, reconnect_wait_ * 10);
        }
    }
}

}  // namespace cvf::bus
