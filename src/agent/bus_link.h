// The bus with the sink that publishes records on it, wired together from the options.
//
// Thread rule: open(), finish() and the destructor on one thread; bus() and sink() may be used by any meanwhile. Errors: a bad
// URL, an unreadable secret or certificate, a spool that another process uses; not a broker that is away.
#pragma once

#include <expected>
#include <memory>
#include <string>

#include "bus/bus.h"
#include "config/settings.h"
#include "sink/bus_sink.h"

namespace cvf::agent {

struct BusLinkOptions {
    std::string node;
    uint64_t instance = 0;
    bool records = true;  // publishes them; false: only the bus
    bool spool = true;    // where the settings have one
};

class BusLink {
 public:
    // Settings without a bus: one inside this process.
    static std::expected<std::unique_ptr<BusLink>, std::string> open(const config::Settings& settings,
                                                                     const BusLinkOptions& options);
    ~BusLink();

    bus::Bus& bus() { return *bus_; }
    // Null without records.
    const std::shared_ptr<sink::BusSink>& sink() const { return sink_; }

 private:
    struct Wire;  // between the bus's threads and the sink
    BusLink() = default;

    std::shared_ptr<Wire> wire_;
    std::unique_ptr<bus::Bus> bus_;
    std::shared_ptr<sink::BusSink> sink_;
};

// The first line of a file that holds a secret.
std::expected<std::string, std::string> read_secret(const std::string& path);

}  // namespace cvf::agent
