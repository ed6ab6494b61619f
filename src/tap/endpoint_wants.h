// The table of verdicts that the kernel programs read: plain stores into mapped memory, no call into the kernel.
//
// A cookie's entry is one of the two in its cache line. When both are taken by sockets that still want something, the new verdict
// finds no room and its socket stays with the default budget; that is counted. One thread.
#pragma once

#include <cstdint>

#include "bpf/shared.h"
#include "tap/endpoint.h"

namespace cvf::tap {

class Wants {
 public:
    Wants() = default;
    Wants(cvf_want_line* lines, uint32_t count) : lines_(lines), mask_(count - 1) {}

    void verdict(uint64_t cookie, bool egress, Verdict v) {
        if (cvf_want* w = entry(cookie)) __atomic_store_n(&w->verdict[egress], static_cast<uint8_t>(v), __ATOMIC_RELAXED);
    }
    void skip(uint64_t cookie, bool egress, uint64_t offset) {
        if (cvf_want* w = entry(cookie)) __atomic_store_n(&w->skip[egress], offset, __ATOMIC_RELAXED);
    }
    void forget(uint64_t cookie) {
        if (!lines_) return;
        for (cvf_want& w : lines_[cookie & mask_].want)
            if (w.cookie == cookie) __atomic_store_n(&w.cookie, 0, __ATOMIC_RELAXED);
    }
    uint64_t no_room() const { return no_room_; }

 private:
    cvf_want* entry(uint64_t cookie) {
        if (!lines_) return nullptr;
        cvf_want* free = nullptr;
        for (cvf_want& w : lines_[cookie & mask_].want) {
            if (w.cookie == cookie) return &w;
            if (w.cookie == 0) free = &w;
        }
        if (!free) {
            no_room_++;
            return nullptr;
        }
        free->skip[0] = free->skip[1] = 0;
        free->verdict[0] = free->verdict[1] = 0;
        __atomic_store_n(&free->cookie, cookie, __ATOMIC_RELEASE);  // last: the kernel must not see another's verdict under it
        return free;
    }
    cvf_want_line* lines_ = nullptr;
    uint64_t mask_ = 0, no_room_ = 0;
};

}  // namespace cvf::tap
