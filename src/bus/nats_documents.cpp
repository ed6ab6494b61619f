#include "bus/nats_documents.h"

#include <fmt/format.h>

#include "bus/nats_streams.h"
#include "bus/nats_watch.h"

namespace cvf::bus {

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds try_again{100};

std::chrono::milliseconds left(Clock::time_point deadline) {
    return std::max(std::chrono::milliseconds(0), std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()));
}

}  // namespace

NatsDocuments::Store NatsDocuments::store(const NatsConnection::Session& session, std::string_view bucket, std::string& error) {
    {
        const std::lock_guard lock(mutex_);
        if (session_ != session.number()) {
            stores_.clear();
            session_ = session.number();
        }
        if (const auto it = stores_.find(bucket); it != stores_.end()) return it->second;
    }
    NatsOwned<kvStore> made = ensure_nats_bucket(session, bucket, replicas_, error);
    if (!made) return nullptr;
    Store shared(made.release(), NatsFree());
    const std::lock_guard lock(mutex_);
    if (session_ == session.number()) stores_.emplace(bucket, shared);
    return shared;
}

void NatsDocuments::forget(std::string_view bucket) {
    const std::lock_guard lock(mutex_);
    if (const auto it = stores_.find(bucket); it != stores_.end()) stores_.erase(it);
}

Checked NatsDocuments::insist(std::string_view bucket, const Attempt& attempt) {
    const auto deadline = Clock::now() + Bus::timeout;
    std::string error;
    do {
        const auto session = connection_.wait(left(deadline));
        if (!session) {
            error = ledger_.state().last_error;
            if (error.empty()) error = "not connected";
            break;
        }
        if (const Store kv = store(*session, bucket, error)) {
            if (auto done = attempt(kv.get(), session->jetstream(), error)) return *done;
            forget(bucket);  // it may have been deleted, or its leader is gone
        }
        std::this_thread::sleep_for(std::min(try_again, left(deadline)));
    } while (Clock::now() < deadline);
    return std::unexpected(fmt::format("{}: {}", bucket, error));
}

namespace {

// A change of one revision was refused, or its answer was lost: what is there tells. 0: nothing; no value: it can't be told now.
std::optional<uint64_t> revision_now(kvStore* kv, const std::string& name, std::string* value = nullptr) {
    kvEntry* raw = nullptr;
    const natsStatus s = kvStore_Get(&raw, kv, name.c_str());
    const NatsOwned<kvEntry> entry(raw);
    if (s == NATS_NOT_FOUND) return 0;
    if (s != NATS_OK) return std::nullopt;
    if (value) value->assign(static_cast<const char*>(kvEntry_Value(raw)), static_cast<size_t>(kvEntry_ValueLen(raw)));
    return kvEntry_Revision(raw);
}

}  // namespace

std::expected<uint64_t, std::string> NatsDocuments::put(std::string_view bucket, std::string_view key, std::string_view value,
                                                        std::optional<uint64_t> expected) {
    const std::string name = nats_key(key);
    const int size = static_cast<int>(value.size());
    uint64_t revision = 0;
    const auto attempt = [&](kvStore* kv, jsCtx*, std::string& error) -> std::optional<Checked> {
        natsStatus s;
        if (!expected) {
            s = kvStore_Put(&revision, kv, name.c_str(), value.data(), size);
        } else if (*expected == 0) {
            s = kvStore_Create(&revision, kv, name.c_str(), value.data(), size);
        } else {
            s = kvStore_Update(&revision, kv, name.c_str(), value.data(), size, *expected);
        }
        if (s == NATS_OK) return Checked{};
        error = nats_error(s);
        if (!expected) return std::nullopt;
        std::string there;
        const auto now = revision_now(kv, name, &there);
        if (!now || *now == *expected) return std::nullopt;
        if (*now > *expected && there == value && error.find("wrong last sequence") == error.npos) {
            revision = *now;
            return Checked{};
        }
        return Checked(std::unexpected(fmt::format("{}/{} is at revision {}, not {}", bucket, key, *now, *expected)));
    };
    if (auto done = insist(bucket, attempt); !done) return std::unexpected(done.error());
    return revision;
}

namespace {

// What kvStore_Delete() publishes, but for one revision alone.
natsStatus delete_revision(jsCtx* jetstream, const std::string& subject, uint64_t revision) {
    natsMsg* made = nullptr;
    natsStatus s = natsMsg_Create(&made, subject.c_str(), nullptr, nullptr, 0);
    const NatsOwned<natsMsg> message(made);
    if (s == NATS_OK) s = natsMsgHeader_Set(made, "KV-Operation", "DEL");
    jsPubOptions options;
    jsPubOptions_Init(&options);
    options.ExpectLastSubjectSeq = revision;
    return s == NATS_OK ? js_PublishMsg(nullptr, jetstream, made, &options, nullptr) : s;
}

}  // namespace

Checked NatsDocuments::remove(std::string_view bucket, std::string_view key, std::optional<uint64_t> expected) {
    const std::string name = nats_key(key), subject = fmt::format("$KV.{}.{}", bucket, name);
    return insist(bucket, [&](kvStore* kv, jsCtx* jetstream, std::string& error) -> std::optional<Checked> {
        const natsStatus s = expected ? delete_revision(jetstream, subject, *expected) : kvStore_Delete(kv, name.c_str());
        if (s == NATS_OK) return Checked{};
        error = nats_error(s);
        if (!expected) return std::nullopt;
        const auto now = revision_now(kv, name);
        if (!now || *now == *expected) return std::nullopt;
        if (*now == 0 && error.find("wrong last sequence") == error.npos) return Checked{};
        return Checked(std::unexpected(fmt::format("{}/{} is at revision {}, not {}", bucket, key, *now, *expected)));
    });
}

std::expected<Bus::Found, std::string> NatsDocuments::get(std::string_view bucket, std::string_view key) {
    const std::string name = nats_key(key);
    Bus::Found found;
    const auto attempt = [&](kvStore* kv, jsCtx*, std::string& error) -> std::optional<Checked> {
        kvEntry* raw = nullptr;
        const natsStatus s = kvStore_Get(&raw, kv, name.c_str());
        const NatsOwned<kvEntry> entry(raw);
        if (s == NATS_OK)
            found = {std::string(static_cast<const char*>(kvEntry_Value(entry.get())),
                                 static_cast<size_t>(kvEntry_ValueLen(entry.get()))),
                     kvEntry_Revision(entry.get())};
        if (s == NATS_OK || s == NATS_NOT_FOUND) return Checked{};
        error = nats_error(s);
        return std::nullopt;
    };
    if (auto done = insist(bucket, attempt); !done) return std::unexpected(done.error());
    return found;
}

std::shared_ptr<Worker> NatsDocuments::watch(std::string bucket, OnDocument handler) {
    return watch_nats(connection_, ledger_, replicas_, std::move(bucket), std::move(handler));
}

}  // namespace cvf::bus
