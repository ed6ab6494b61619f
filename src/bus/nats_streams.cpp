#include "bus/nats_streams.h"

#include <fmt/format.h>

namespace cvf::bus {

namespace {

constexpr int64_t second = 1'000'000'000;  // ns

int64_t copies(const NatsConnection::Session& session, unsigned replicas) {
    if (replicas > 0) return replicas;
    return session.servers() >= 3 ? 3 : 1;
}

std::string why(natsStatus status, jsErrCode code) {
    if (status == NATS_NO_RESPONDERS || status == NATS_TIMEOUT)
        return "JetStream does not answer: is it enabled (nats-server -js)?";
    return code == 0 ? fmt::format("JetStream: {}", nats_error(status))
                     : fmt::format("JetStream: {} ({})", nats_error(status), int{code});
}

}  // namespace

std::string ensure_nats_stream(const NatsConnection::Session& session, const Channel& channel, unsigned replicas) {
    const std::string name = fmt::format("cvf-{}", channel.name);
    jsStreamInfo* info = nullptr;
    jsErrCode code = static_cast<jsErrCode>(0);
    natsStatus s = js_GetStreamInfo(&info, session.jetstream(), name.c_str(), nullptr, &code);
    const NatsOwned<jsStreamInfo> owned(info);
    if (s == NATS_OK) return {};
    if (s != NATS_NOT_FOUND) return why(s, code);

    jsStreamConfig config;
    jsStreamConfig_Init(&config);
    const std::string description = fmt::format("CVF: {}", channel.doc);
    const std::string subject(channel.pattern);
    const char* subjects[] = {subject.c_str()};
    config.Name = name.c_str();
    config.Description = description.c_str();
    config.Subjects = subjects;
    config.SubjectsLen = 1;
    config.MaxAge = static_cast<int64_t>(channel.stream_seconds) * second;
    config.MaxBytes = static_cast<int64_t>(channel.stream_bytes);
    config.Discard = js_DiscardOld;
    config.Storage = js_FileStorage;
    config.Replicas = copies(session, replicas);
    code = static_cast<jsErrCode>(0);
    s = js_AddStream(nullptr, session.jetstream(), &config, nullptr, &code);
    // Another agent was faster, or an operator has a stream of another name for these subjects.
    if (s == NATS_OK || code == JSStreamNameExistErr || code == JSStreamSubjectOverlapErr) return {};
    return why(s, code);
}

NatsOwned<kvStore> ensure_nats_bucket(const NatsConnection::Session& session, std::string_view name, unsigned replicas,
                                      std::string& error) {
    const std::string bucket_name(name);
    kvStore* made = nullptr;
    natsStatus s = js_KeyValue(&made, session.jetstream(), bucket_name.c_str());
    if (s == NATS_NOT_FOUND) {
        const Bucket* known = bucket_named(name);
        kvConfig config;
        kvConfig_Init(&config);
        const std::string description = known ? fmt::format("CVF: {}", known->doc) : "CVF";
        config.Bucket = bucket_name.c_str();
        config.Description = description.c_str();
        config.History = 1;
        config.TTL = known ? static_cast<int64_t>(known->keep_seconds) * second : 0;
        config.StorageType = js_FileStorage;
        config.Replicas = static_cast<int>(copies(session, replicas));
        s = js_CreateKeyValue(&made, session.jetstream(), &config);
        // Another was faster.
        if (s != NATS_OK) {
            const std::string first = why(s, static_cast<jsErrCode>(0));
            s = js_KeyValue(&made, session.jetstream(), bucket_name.c_str());
            if (s != NATS_OK) {
                error = first;
                return nullptr;
            }
        }
    }
    if (s != NATS_OK) error = why(s, static_cast<jsErrCode>(0));
    return NatsOwned<kvStore>(s == NATS_OK ? made : nullptr);
}

std::string nats_key(std::string_view key) {
    return escape_token(key, "/");
}

}  // namespace cvf::bus
