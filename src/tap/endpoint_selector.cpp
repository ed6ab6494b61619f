#include "tap/endpoint_selector.h"

#include <bpf/bpf.h>

#include <cstring>
#include <memory>
#include <utility>

namespace cvf::tap {

bool KernelSelector::put(const Selector& selector) {
    if (selector.everything()) {
        enforce(0);
        return true;
    }
    generation_ = generation_ % (UINT32_MAX / CVF_SELECT_GENERATION - 1) + 1;  // never 0: that word means everything
    // Its lowest bit names the place of the ports, and the place in force must not be touched.
    uint32_t word = generation_ * CVF_SELECT_GENERATION;
    if (selector.tcp) word |= CVF_SELECT_TCP;
    if (selector.udp) word |= CVF_SELECT_UDP;
    if (selector.others) word |= CVF_SELECT_OTHERS;
    if (selector.ports) word |= CVF_SELECT_PORTS;
    if (selector.addresses) word |= CVF_SELECT_ADDRESSES;
    if ((selector.ports && !put_ports(*selector.ports, word)) ||
        (selector.addresses && !put_prefixes(*selector.addresses, word))) {
        enforce(0);
        enforce(0);  // what there was room for goes, too
        return false;
    }
    enforce(word);
    return true;
}

bool KernelSelector::put_ports(const std::vector<Selector::Ports>& ports, uint32_t word) const {
    auto set = std::make_unique<cvf_port_set>();
    for (const Selector::Ports& range : ports)
        for (uint32_t port = range.first; port <= range.last; port++) set->bits[port / 8] |= static_cast<uint8_t>(1u << port % 8);
    const uint32_t place = word / CVF_SELECT_GENERATION & 1;
    return bpf_map_update_elem(ports_map_, &place, set.get(), BPF_ANY) == 0;
}

bool KernelSelector::put_prefixes(const std::vector<Selector::Prefix>& prefixes, uint32_t word) {
    if (prefixes.size() > max_selector_prefixes) return false;
    for (const Selector::Prefix& prefix : prefixes) {
        cvf_prefix key{};
        key.length = CVF_PREFIX_BEFORE + prefix.bits;
        key.selector = prefix.family == 4 ? word : word | CVF_SELECT_IPV6;
        std::memcpy(key.address, prefix.address.bytes.data(), sizeof key.address);
        const uint8_t one = 1;
        if (bpf_map_update_elem(prefixes_map_, &key, &one, BPF_ANY) != 0) return false;
        next_.push_back(key);
    }
    return true;
}

// From here on by `word`; what the one before had in the trie is taken out. (A program that is just looking finds nothing there
// then, and passes one packet over.)
void KernelSelector::enforce(uint32_t word) {
    __atomic_store_n(&control_->selector, word, __ATOMIC_RELEASE);
    for (const cvf_prefix& key : in_force_) bpf_map_delete_elem(prefixes_map_, &key);
    in_force_ = std::exchange(next_, {});
}

}  // namespace cvf::tap
