// Who listens where: for the connections that nobody has accepted yet, the handshakes that come to nothing, and which end is the
// server.
//
// Several sockets may listen at one port: on different addresses, or on the same by SO_REUSEPORT. So a listener is known by its
// cookie; by the address only where there is no cookie, and then as the kernel chooses: the address itself before the wildcard of
// its family before the IPv6 wildcard. Bounded. One thread.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <vector>

#include "decode/address.h"
#include "tap/endpoint.h"

namespace cvf::tap {

struct Listener {
    uint64_t cookie = 0;
    Owner owner;
    bool own = false;  // the agent's
    uint32_t netns = 0;
    uint32_t round = 0;  // of reports, when it was last told
    uint8_t family = 0;
    uint16_t port = 0;
    decode::Address address;
};

class Listeners {
 public:
    struct Found {
        const Listener* one = nullptr;  // null: none, or several that are not one process's
        bool any = false;
    };

    // Again with the same cookie: replaces it.
    void add(const Listener& listener);
    void remove(uint64_t cookie);
    // Removes those that have not been told for two rounds: their end was lost.
    void end_round(uint32_t round);
    // The pointer is valid until the next change. `cookie` may be 0: not known.
    Found find(uint64_t cookie, uint32_t netns, uint8_t family, const decode::Address& local, uint16_t port) const;

 private:
    static uint64_t place(uint32_t netns, uint16_t port) { return static_cast<uint64_t>(netns) << 16 | port; }
    boost::unordered_flat_map<uint64_t, Listener> by_cookie_;
    boost::unordered_flat_map<uint64_t, std::vector<uint64_t>> by_place_;
};

}  // namespace cvf::tap
