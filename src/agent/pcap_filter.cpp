#include "agent/pcap_filter.h"

#include <fmt/format.h>
#include <pcap/pcap.h>

#include <algorithm>
#include <memory>
#include <mutex>

#include "record/nearest.h"

namespace cvf::agent {

namespace {

// The words of pcap-filter(7) that make sense on Ethernet; each has been seen to be one to libpcap 1.10. Another that stood here
// would be looked up as a name; one that is missing is refused.
constexpr std::string_view words[] = {"dst",
                                      "src",
                                      "link",
                                      "ether",
                                      "ppp",
                                      "slip",
                                      "fddi",
                                      "tr",
                                      "wlan",
                                      "arp",
                                      "rarp",
                                      "ip",
                                      "sctp",
                                      "tcp",
                                      "udp",
                                      "icmp",
                                      "igmp",
                                      "igrp",
                                      "pim",
                                      "vrrp",
                                      "carp",
                                      "radio",
                                      "ip6",
                                      "icmp6",
                                      "ah",
                                      "esp",
                                      "atalk",
                                      "aarp",
                                      "decnet",
                                      "lat",
                                      "sca",
                                      "moprc",
                                      "mopdl",
                                      "iso",
                                      "esis",
                                      "es-is",
                                      "isis",
                                      "is-is",
                                      "l1",
                                      "l2",
                                      "iih",
                                      "lsp",
                                      "snp",
                                      "csnp",
                                      "psnp",
                                      "clnp",
                                      "stp",
                                      "ipx",
                                      "netbeui",
                                      "host",
                                      "net",
                                      "mask",
                                      "port",
                                      "portrange",
                                      "proto",
                                      "protochain",
                                      "gateway",
                                      "type",
                                      "subtype",
                                      "direction",
                                      "dir",
                                      "less",
                                      "greater",
                                      "byte",
                                      "broadcast",
                                      "multicast",
                                      "and",
                                      "or",
                                      "not",
                                      "len",
                                      "length",
                                      "inbound",
                                      "outbound",
                                      "ifindex",
                                      "vlan",
                                      "mpls",
                                      "pppoed",
                                      "pppoes",
                                      "geneve",
                                      "llc",
                                      "icmptype",
                                      "icmpcode",
                                      "tcpflags",
                                      "icmp6type",
                                      "icmp6code",
                                      "icmp-echoreply",
                                      "icmp-unreach",
                                      "icmp-sourcequench",
                                      "icmp-redirect",
                                      "icmp-echo",
                                      "icmp-routeradvert",
                                      "icmp-routersolicit",
                                      "icmp-timxceed",
                                      "icmp-paramprob",
                                      "icmp-tstamp",
                                      "icmp-tstampreply",
                                      "icmp-ireq",
                                      "icmp-ireqreply",
                                      "icmp-maskreq",
                                      "icmp-maskreply",
                                      "icmp6-destinationunreach",
                                      "icmp6-packettoobig",
                                      "icmp6-timeexceeded",
                                      "icmp6-parameterproblem",
                                      "icmp6-echo",
                                      "icmp6-echoreply",
                                      "icmp6-multicastlistenerquery",
                                      "icmp6-multicastlistenerreportv1",
                                      "icmp6-multicastlistenerdone",
                                      "icmp6-routersolicit",
                                      "icmp6-routeradvert",
                                      "icmp6-neighborsolicit",
                                      "icmp6-neighboradvert",
                                      "icmp6-redirect",
                                      "icmp6-routerrenum",
                                      "icmp6-nodeinformationquery",
                                      "icmp6-nodeinformationresponse",
                                      "icmp6-ineighbordiscoverysolicit",
                                      "icmp6-ineighbordiscoveryadvert",
                                      "icmp6-multicastlistenerreportv2",
                                      "icmp6-homeagentdiscoveryrequest",
                                      "icmp6-homeagentdiscoveryreply",
                                      "icmp6-mobileprefixsolicit",
                                      "icmp6-mobileprefixadvert",
                                      "icmp6-certpathsolicit",
                                      "icmp6-certpathadvert",
                                      "icmp6-multicastrouteradvert",
                                      "icmp6-multicastroutersolicit",
                                      "tcp-fin",
                                      "tcp-syn",
                                      "tcp-rst",
                                      "tcp-push",
                                      "tcp-ack",
                                      "tcp-urg",
                                      "tcp-ece",
                                      "tcp-cwr"};
constexpr std::string_view joining[] = {"and", "or", "not"};
constexpr std::string_view of_services[] = {"port", "portrange", "proto", "protochain"};

template <typename List>
bool among(const List& list, std::string_view word) {
    return std::ranges::find(list, word) != std::end(list);
}

bool is_hex(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}
bool is_of_word(char c) {
    return is_hex(c) || (c >= 'g' && c <= 'z') || (c >= 'G' && c <= 'Z') || c == '-' || c == '_' || c == '.' || c == ':';
}

// Numbers, addresses of any kind, and parts of them: what nobody would look up.
bool is_number(std::string_view word) {
    if (std::ranges::all_of(word, [](char c) { return (c >= '0' && c <= '9') || c == '.' || c == '-'; })) return true;
    if (word.starts_with("0x") || word.starts_with("0X")) return std::ranges::all_of(word.substr(2), is_hex);
    const auto count = [&](char c) { return std::ranges::count(word, c); };
    if (count(':') > 0) return true;  // no name has a colon in it: IPv6, Ethernet, or an error
    if (!std::ranges::all_of(word, [](char c) { return is_hex(c) || c == '.' || c == '-'; })) return false;
    const auto digits = static_cast<long>(word.size()) - count('.') - count('-');
    return count('-') == 5 || count('.') == 5 || (digits == 12 && (count('.') == 0 || count('.') == 2));
}

struct Looked {
    std::string text;   // with an address in place of each name
    std::string first;  // of those names; empty: there is none
};

// As the grammar has it: an identifier is of the kind that stands before it, and "and", "or", "not" and parentheses hand that on.
Looked without_names(std::string_view text) {
    Looked out;
    bool service = false;
    for (size_t at = 0; at < text.size();) {
        const bool escaped = text[at] == '\\';
        size_t end = at + escaped;
        while (end < text.size() && is_of_word(text[end])) ++end;
        const std::string_view whole = text.substr(at, end - at), word = whole.substr(escaped);
        at = end;
        if (word.empty()) {
            if (!escaped)
                out.text += text[at++];
            else
                out.text += '\\';
            continue;
        }
        const bool known = !escaped && among(words, word);
        if (known && !among(joining, word)) service = among(of_services, word);
        if (known || service || (!escaped && is_number(word))) {
            out.text += whole;
            continue;
        }
        if (out.first.empty()) out.first = word;
        out.text += "192.0.2.1";
    }
    return out;
}

}  // namespace

std::optional<std::string> wrong_with_pcap_filter(std::string_view text) {
    static std::mutex turn;
    const Looked looked = without_names(text);
    std::string said;
    {
        const std::lock_guard lock(turn);
        const std::unique_ptr<pcap_t, decltype(&pcap_close)> handle(pcap_open_dead(DLT_EN10MB, 262'144), pcap_close);
        if (!handle) return "it can't be checked: there is no memory";
        bpf_program program{};
        if (pcap_compile(handle.get(), &program, looked.text.c_str(), 0, PCAP_NETMASK_UNKNOWN) == 0)
            pcap_freecode(&program);
        else
            said = pcap_geterr(handle.get());
    }
    if (looked.first.empty()) return said.empty() ? std::nullopt : std::optional(std::move(said));
    const std::string_view near = record::nearest(looked.first, words);
    const std::string meant = near.empty() ? std::string() : fmt::format("; for '{}', did you mean {}?", looked.first, near);
    if (!said.empty()) return said + meant;
    return fmt::format("'{}' is no word of pcap-filter(7), and names of hosts are not looked up: write the address{}",
                       looked.first, near.empty() ? "" : fmt::format(", or did you mean {}?", near));
}

}  // namespace cvf::agent
