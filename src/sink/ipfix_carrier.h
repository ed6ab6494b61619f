// IPFIX messages onto a socket: connection, templates, sequence numbers. See ipfix.h.
//
// Thread rule and errors: as Carrier says. Source: RFC 7011 sections 8, 10.3 and 10.4.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "sink/outbox.h"

namespace cvf::sink::ipfix {

struct Collector {
    std::string host;
    uint16_t port = 4739;
    bool tcp = false;
    uint32_t domain = 0;
    std::chrono::milliseconds template_interval{60000};
    std::chrono::milliseconds timeout{10000};
};

std::unique_ptr<Carrier> make_carrier(Collector collector);

}  // namespace cvf::sink::ipfix
