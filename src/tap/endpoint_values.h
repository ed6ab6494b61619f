// What the kernel programs write (bpf/shared.h), as the tap's own values. Pure functions.
#pragma once

#include <cstdint>
#include <cstring>

#include "bpf/shared.h"
#include "decode/bytes.h"
#include "host/clock.h"
#include "tap/endpoint.h"

namespace cvf::tap {

// As the kernel numbers them.
inline constexpr uint8_t tcp_state_close = 7, tcp_state_listen = 10;

template <typename T>
T value_at(decode::Bytes b) {
    T t;
    std::memcpy(&t, b.data(), sizeof t);
    return t;
}

// An IPv4 address written as an IPv6 one.
bool is_mapped(const uint8_t* address);
bool is_loopback(uint8_t family, const decode::Address& address);

Owner owner_of(const cvf_owner& owner);
// Tuple and namespace; nothing else is filled in.
Socket socket_of(const cvf_tuple& tuple, uint32_t netns, uint64_t cookie);
Counters counters_of(const cvf_report& report, const host::Clock& clock, uint64_t tick_ns);
ProcessEvent process_of(const cvf_process_event& event, decode::Bytes filename, const host::Clock& clock);

}  // namespace cvf::tap
