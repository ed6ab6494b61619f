// The URL of a bus, taken apart.
//
//     nats://[user:password@|token@]host[:4222][,host…]     tls://…  the same with TLS
//     kafka://[user:password@]host[:9092][,host…]           kafka+tls://…[:9093]
//     local:[NAME]
//
// Each of several servers may repeat the scheme. Bytes of user, password and token that a URL gives a meaning are written %XX.
// IPv6 addresses stand in brackets. What is said here to people (errors, Address::servers) never has a password or token in it.
// Thread rule: pure.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace cvf::bus {

enum class Transport { local, nats, kafka };

struct Address {
    Transport transport = Transport::local;
    bool tls = false;
    std::vector<std::string> servers;  // host:port
    std::string user, password, token;
    std::string name;  // of a local bus
};

// The error is one line for people.
std::expected<Address, std::string> parse_address(std::string_view url);

}  // namespace cvf::bus
