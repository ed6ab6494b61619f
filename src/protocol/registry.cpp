// All protocols, in the order their match functions are asked: most specific first.
#include "protocol/dissector.h"

namespace cvf::protocol {

namespace {
constexpr const Protocol* protocols[] = {&tls,    &http, &quic, &dtls, &mdns, &llmnr, &llmnr_tcp, &dns,  &dns_tcp,    &icmp,
                                         &icmpv6, &igmp, &smtp, &imap, &pop3, &ftp,   &xmpp,      &ldap, &postgresql, &mysql};
}

std::span<const Protocol* const> all_protocols() {
    return protocols;
}

const Protocol* protocol_by_name(std::string_view name) {
    for (const Protocol* p : protocols)
        if (p->name == name) return p;
    return nullptr;
}

}  // namespace cvf::protocol
