#include "bus/kafka_config.h"

#include <fmt/format.h>

#include <future>
#include <thread>

#include "bus/checks.h"

namespace cvf::bus {

namespace {

constexpr std::chrono::seconds close_wait{5};

// For calls that report through the error callback what is told elsewhere, too.
void no_log(const rd_kafka_t*, int, const char*, const char*) {}

// The library (2.0) waits for ever for the end of a partition whose topic was deleted. It does so in a thread of its own, which
// is left to itself when it has not ended in time: it calls nobody back.
void close(rd_kafka_t* client, KafkaRole role) {
    auto closed = std::make_shared<std::promise<void>>();
    const auto when = closed->get_future();
    std::thread closer([client, role, closed = std::move(closed)] {
        if (role == KafkaRole::member) rd_kafka_consumer_close(client);
        if (role == KafkaRole::reader) rd_kafka_assign(client, nullptr);  // no group to leave
        rd_kafka_destroy_flags(client, role == KafkaRole::reader ? RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE : 0);
        closed->set_value();
    });
    if (when.wait_for(close_wait) == std::future_status::ready) {
        closer.join();
    } else {
        closer.detach();
    }
}

}  // namespace

std::expected<KafkaOwned<rd_kafka_conf_t>, std::string> kafka_config(const Address& address, const Options& options,
                                                                     const KafkaSettings& more) {
    const bool tls = wants_tls(options, address), login = !address.user.empty();
    const auto milliseconds = [](auto t) {
        return std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(t).count());
    };
    KafkaSettings settings{
        {"bootstrap.servers", fmt::format("{}", fmt::join(address.servers, ","))},
        {"client.id", options.client_name},
        {"security.protocol", tls ? (login ? "sasl_ssl" : "ssl") : (login ? "sasl_plaintext" : "plaintext")},
        {"reconnect.backoff.ms", milliseconds(options.reconnect_wait)},
        {"reconnect.backoff.max.ms", milliseconds(options.reconnect_wait * 10)},
        {"socket.keepalive.enable", "true"},
        {"socket.timeout.ms", "10000"},
        {"topic.metadata.refresh.interval.ms", "30000"},
    };
    if (login) {
        settings.emplace_back("sasl.mechanism", options.sasl_mechanism.empty() ? "SCRAM-SHA-512" : options.sasl_mechanism);
        settings.emplace_back("sasl.username", address.user);
        settings.emplace_back("sasl.password", address.password);
    }
    if (tls) {
        if (!options.ca_file.empty()) settings.emplace_back("ssl.ca.location", options.ca_file);
        if (!options.cert_file.empty()) {
            settings.emplace_back("ssl.certificate.location", options.cert_file);
            settings.emplace_back("ssl.key.location", options.key_file);
        }
        settings.emplace_back("ssl.endpoint.identification.algorithm", "https");
    }
    settings.insert(settings.end(), more.begin(), more.end());

    KafkaOwned<rd_kafka_conf_t> config(rd_kafka_conf_new());
    for (const auto& [name, value] : settings) {
        char error[256] = "";
        if (rd_kafka_conf_set(config.get(), name.c_str(), value.c_str(), error, sizeof error) != RD_KAFKA_CONF_OK) {
            // The library's words repeat the value; a password's are not.
            return std::unexpected(name == "sasl.password" ? "bus: the password is not one for SASL"
                                                           : fmt::format("bus: {}", error));
        }
    }
    rd_kafka_conf_set_log_cb(config.get(), no_log);
    return config;
}

std::expected<KafkaHandle, std::string> kafka_client(KafkaRole role, KafkaOwned<rd_kafka_conf_t> config) {
    char error[512] = "";
    rd_kafka_t* made =
        rd_kafka_new(role == KafkaRole::producer ? RD_KAFKA_PRODUCER : RD_KAFKA_CONSUMER, config.get(), error, sizeof error);
    if (!made) return std::unexpected(fmt::format("bus: {}", error));
    config.release();  // the client's now
    if (role != KafkaRole::producer) rd_kafka_poll_set_consumer(made);
    return KafkaHandle(made, [role](rd_kafka_t* k) { close(k, role); });
}

}  // namespace cvf::bus
