#include "agent/bus_link.h"

#include <fmt/format.h>

#include <fstream>
#include <mutex>

namespace cvf::agent {

// Kafka's partitions are as many as a consumer group can share the records among.
constexpr unsigned kafka_lanes = 6;

struct BusLink::Wire {
    std::mutex mutex;
    sink::BusSink* sink = nullptr;  // null before it is there and when it goes
};

std::expected<std::string, std::string> read_secret(const std::string& path) {
    std::ifstream file(path);
    std::string line;
    if (!file || !std::getline(file, line)) return std::unexpected(fmt::format("{}: it can't be read, or is empty", path));
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
    return line;
}

std::expected<std::unique_ptr<BusLink>, std::string> BusLink::open(const config::Settings& settings,
                                                                   const BusLinkOptions& options) {
    std::unique_ptr<BusLink> link(new BusLink);
    link->wire_ = std::make_shared<Wire>();
    bus::Options bus;
    bus.url = settings.bus.empty() ? "local:" : settings.bus;
    bus.client_name = "cvf-" + options.node;
    bus.user = settings.bus_user;
    if (!settings.bus_password_file.empty()) {
        auto secret = read_secret(settings.bus_password_file);
        if (!secret) return std::unexpected("--bus-password-file: " + secret.error());
        bus.password = std::move(*secret);
    }
    if (!settings.bus_token_file.empty()) {
        auto secret = read_secret(settings.bus_token_file);
        if (!secret) return std::unexpected("--bus-token-file: " + secret.error());
        bus.token = std::move(*secret);
    }
    bus.credentials_file = settings.bus_credentials;
    bus.ca_file = settings.bus_ca;
    bus.cert_file = settings.bus_cert;
    bus.key_file = settings.bus_key;
    bus.sasl_mechanism = settings.bus_sasl;
    bus.compression = settings.bus_compression;
    bus.pending_bytes = settings.bus_memory / 2;
    bus.on_settled = [wire = link->wire_](const bus::Settled& settled) {
        const std::lock_guard lock(wire->mutex);
        if (wire->sink) wire->sink->settled(settled);
    };
    bus.on_state = [wire = link->wire_](bool) {
        const std::lock_guard lock(wire->mutex);
        if (wire->sink) wire->sink->connection_changed();
    };
    const bool kafka = bus.url.starts_with("kafka");
    auto connected = bus::Bus::connect(std::move(bus));
    if (!connected) return std::unexpected(connected.error());
    link->bus_ = std::move(*connected);
    if (!options.records) return link;

    sink::BusSinkOptions sink;
    sink.node = options.node;
    sink.instance = options.instance;
    sink.batch_bytes = settings.bus_batch;
    sink.memory_bytes = settings.bus_memory;
    if (kafka) sink.lanes = kafka_lanes;
    if (options.spool && !settings.bus.empty() && settings.spool_size > 0) {
        sink.spool.directory = settings.spool_directory;
        sink.spool.limit_bytes = settings.spool_size;
    }
    // The sink sends what its spool holds before open() returns: what is told of that waits until it can be handed on.
    const std::lock_guard lock(link->wire_->mutex);
    auto opened = sink::BusSink::open(std::move(sink), *link->bus_);
    if (!opened) return std::unexpected(opened.error());
    link->sink_ = std::move(*opened);
    link->wire_->sink = link->sink_.get();
    return link;
}

BusLink::~BusLink() {
    {
        const std::lock_guard lock(wire_->mutex);
        wire_->sink = nullptr;
    }
    sink_.reset();
}

}  // namespace cvf::agent
