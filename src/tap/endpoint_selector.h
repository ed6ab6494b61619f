// Puts a selector where the kernel programs read it.
//
// The parts of the next lie beside those of the one in force (bpf/shared.h: enum cvf_select), so that no packet is judged by half
// of each; one store makes the change. One thread.
#pragma once

#include <cstdint>
#include <vector>

#include "bpf/shared.h"
#include "tap/selector.h"

namespace cvf::tap {

class KernelSelector {
 public:
    // Maps of the loaded programs, which outlive this.
    void attach(int ports_map, int prefixes_map, cvf_control* control) {
        ports_map_ = ports_map;
        prefixes_map_ = prefixes_map;
        control_ = control;
    }
    // False: the kernel has no room for it, and everything is wanted from now on.
    bool put(const Selector& selector);

 private:
    bool put_ports(const std::vector<Selector::Ports>& ports, uint32_t word) const;
    bool put_prefixes(const std::vector<Selector::Prefix>& prefixes, uint32_t word);
    void enforce(uint32_t word);

    int ports_map_ = -1, prefixes_map_ = -1;
    cvf_control* control_ = nullptr;
    uint32_t generation_ = 0;
    std::vector<cvf_prefix> next_, in_force_;
};

}  // namespace cvf::tap
