#include "protocol/icmp_codes.h"

#include <cstddef>

namespace cvf::protocol {

namespace {

template <size_t N>
std::string_view at(const std::string_view (&names)[N], size_t index) {
    return index < N ? names[index] : std::string_view();
}

constexpr std::string_view v4_types[] = {"echo reply",
                                         "",
                                         "",
                                         "destination unreachable",
                                         "source quench",
                                         "redirect",
                                         "alternate host address",
                                         "",
                                         "echo request",
                                         "router advertisement",
                                         "router solicitation",
                                         "time exceeded",
                                         "parameter problem",
                                         "timestamp request",
                                         "timestamp reply",
                                         "information request",
                                         "information reply",
                                         "address mask request",
                                         "address mask reply"};

// RFC 792, 1122 3.2.2.1, 1812 5.2.7.1
constexpr std::string_view v4_unreachable[] = {"network unreachable",
                                               "host unreachable",
                                               "protocol unreachable",
                                               "port unreachable",
                                               "fragmentation needed",
                                               "source route failed",
                                               "destination network unknown",
                                               "destination host unknown",
                                               "source host isolated",
                                               "network administratively prohibited",
                                               "host administratively prohibited",
                                               "network unreachable for type of service",
                                               "host unreachable for type of service",
                                               "communication administratively prohibited",
                                               "host precedence violation",
                                               "precedence cutoff in effect"};
constexpr std::string_view v4_redirect[] = {"for network", "for host", "for type of service and network",
                                            "for type of service and host"};
constexpr std::string_view v4_exceeded[] = {"time to live exceeded in transit", "fragment reassembly time exceeded"};
constexpr std::string_view v4_parameter[] = {"pointer indicates the error", "required option missing", "bad length"};

constexpr std::string_view v6_errors[] = {"", "destination unreachable", "packet too big", "time exceeded", "parameter problem"};

constexpr std::string_view v6_types[] = {"echo request",
                                         "echo reply",
                                         "multicast listener query",
                                         "multicast listener report",
                                         "multicast listener done",
                                         "router solicitation",
                                         "router advertisement",
                                         "neighbor solicitation",
                                         "neighbor advertisement",
                                         "redirect",
                                         "router renumbering",
                                         "node information query",
                                         "node information response",
                                         "inverse neighbor discovery solicitation",
                                         "inverse neighbor discovery advertisement",
                                         "multicast listener report v2",
                                         "home agent address discovery request",
                                         "home agent address discovery reply",
                                         "mobile prefix solicitation",
                                         "mobile prefix advertisement",
                                         "certification path solicitation",
                                         "certification path advertisement",
                                         "",
                                         "multicast router advertisement",
                                         "multicast router solicitation",
                                         "multicast router termination",
                                         "",
                                         "RPL control",
                                         "",
                                         "duplicate address request",
                                         "duplicate address confirmation",
                                         "MPL control",
                                         "extended echo request",
                                         "extended echo reply"};

constexpr std::string_view v6_unreachable[] = {"no route to destination",
                                               "communication administratively prohibited",
                                               "beyond scope of source address",
                                               "address unreachable",
                                               "port unreachable",
                                               "source address failed ingress or egress policy",
                                               "reject route to destination",
                                               "error in source routing header",
                                               "headers too long"};
constexpr std::string_view v6_exceeded[] = {"hop limit exceeded in transit", "fragment reassembly time exceeded"};
constexpr std::string_view v6_parameter[] = {"erroneous header field",
                                             "unrecognized next header",
                                             "unrecognized IPv6 option",
                                             "first fragment has incomplete header chain",
                                             "error in segment routing header",
                                             "unrecognized next header by intermediate node",
                                             "extension header too big",
                                             "extension header chain too long",
                                             "too many extension headers",
                                             "too many options in extension header",
                                             "option too big"};
constexpr std::string_view extended_reply[] = {"", "malformed query", "no such interface", "no such table entry",
                                               "multiple interfaces satisfy query"};

}  // namespace

std::string_view icmp_type_name(bool v6, uint8_t type) {
    if (v6) return type < 128 ? at(v6_errors, type) : at(v6_types, type - 128u);
    if (type == 42) return "extended echo request";
    if (type == 43) return "extended echo reply";
    if (type == 30) return "traceroute";
    if (type == 40) return "security failure";
    return at(v4_types, type);
}

std::string_view icmp_code_name(bool v6, uint8_t type, uint8_t code) {
    if (v6) {
        switch (type) {
            case 1:
                return at(v6_unreachable, code);
            case 3:
                return at(v6_exceeded, code);
            case 4:
                return at(v6_parameter, code);
            case 161:
                return at(extended_reply, code);
            default:
                return {};
        }
    }
    switch (type) {
        case 3:
            return at(v4_unreachable, code);
        case 5:
            return at(v4_redirect, code);
        case 11:
            return at(v4_exceeded, code);
        case 12:
            return at(v4_parameter, code);
        case 43:
            return at(extended_reply, code);
        default:
            return {};
    }
}

}  // namespace cvf::protocol
