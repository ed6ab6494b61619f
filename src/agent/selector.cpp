#include "agent/selector.h"

#include <algorithm>

namespace cvf::agent {

namespace {

bool names(const directive::TextMatch& match, std::string_view transport) {
    return match.prefix ? transport.starts_with(match.text) : transport == match.text;
}

}  // namespace

tap::Selector selector_of(const directive::Pushdown& demand) {
    tap::Selector s;
    if (demand.nothing()) {
        s.tcp = s.udp = s.others = false;
        return s;
    }
    if (demand.transports) {
        const auto& all = *demand.transports;
        s.tcp = std::ranges::any_of(all, [](const auto& m) { return names(m, "tcp"); });
        s.udp = std::ranges::any_of(all, [](const auto& m) { return names(m, "udp"); });
        // Any other name may be one of the others'.
        s.others = std::ranges::any_of(all, [](const auto& m) { return m.prefix || (m.text != "tcp" && m.text != "udp"); });
    }
    if (demand.ports) {
        s.ports.emplace();
        for (const directive::PortRange& range : *demand.ports) s.ports->push_back({range.first, range.last});
    }
    if (demand.addresses && demand.addresses->size() <= tap::max_selector_prefixes) {
        s.addresses.emplace();
        for (const directive::Network& network : *demand.addresses) {
            tap::Selector::Prefix prefix;
            prefix.family = network.size == 4 ? 4 : 6;
            prefix.address =
                network.size == 4 ? decode::Address::v4(network.bytes.data()) : decode::Address::v6(network.bytes.data());
            prefix.bits = network.prefix;
            s.addresses->push_back(prefix);
        }
    }
    return s;
}

}  // namespace cvf::agent
