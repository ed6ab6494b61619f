// What of a filter can be asked early, before there is a record: of a packet's addresses, ports and protocol, of a socket's
// process and cgroup.
//
// Each set that is there is a necessary condition: a record for which none of the fields it speaks of has a value in the set
// cannot match. A set that is not there says nothing; an empty one, that nothing matches. So what passes may still not match, and
// what does not pass never does. Ports, addresses and owners are of either end, because who opened a conversation is known late
// and who owns the far end too; addresses and ports are the socket's own, before translation.
//
// Thread rule: values and pure functions.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "filter/filter.h"
#include "record/record.h"

namespace cvf::directive {

struct PortRange {
    uint16_t first, last;
    bool operator==(const PortRange&) const = default;
};

struct Network {
    std::array<uint8_t, 16> bytes{};  // network order; 4 of them for IPv4
    uint8_t size = 4;                 // 4 or 16
    uint8_t prefix = 32;
    bool operator==(const Network&) const = default;
};

struct TextMatch {
    std::string text;
    bool prefix = false;  // begins with it; else is it
    bool operator==(const TextMatch&) const = default;
};

struct Pushdown {
    filter::TypeBits types;
    std::optional<std::vector<PortRange>> ports;
    std::optional<std::vector<Network>> addresses;
    std::optional<std::vector<TextMatch>> transports;  // network.transport: "tcp", "udp"
    std::optional<std::vector<TextMatch>> processes;   // process.executable.name
    std::optional<std::vector<TextMatch>> cgroups;     // process.linux.cgroup
    std::optional<std::vector<TextMatch>> namespaces;  // k8s.namespace.name
    std::optional<std::vector<TextMatch>> pods;        // k8s.pod.name
    std::optional<std::vector<TextMatch>> containers;  // container.id

    // No record can match.
    bool nothing() const;
    bool operator==(const Pushdown&) const = default;
};

// Entries of one set; a filter that needs more of them does without it.
inline constexpr size_t max_pushdown_entries = 256;

Pushdown pushdown_of(const filter::Filter& filter, filter::TypeBits types = filter::TypeBits().set());

// Of an expression that has been compiled: what a union of several directives needs. Each set is a union; types likewise.
Pushdown either(const Pushdown& a, const Pushdown& b);

// Whether the record passes: true for every record that the filter matches.
bool may_match(const Pushdown& pushdown, const record::Record& record);

}  // namespace cvf::directive
