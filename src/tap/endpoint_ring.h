// The CPUs' buffers (struct cvf_ring: memory shared with the kernel programs), read as one stream in time order, in place.
//
// Each CPU's buffer is in time order by itself (nearly: an interrupt may write before what it interrupted). A drain delivers what
// is older than its own start by `slack`, so an event that another CPU is about to write is not overtaken; what comes later than
// that is delivered all the same and counted.
//
// Ownership: the spans given to the callback point into the buffers and are valid during the call. One thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bpf/shared.h"
#include "decode/bytes.h"

namespace cvf::tap {

class EventRing {
 public:
    // `map_fd`: the array of `cpus` rings with `size` bytes of data each, a power of two.
    static std::expected<std::unique_ptr<EventRing>, std::string> open(int map_fd, uint32_t cpus, uint32_t size, uint32_t secret);
    ~EventRing();
    EventRing(const EventRing&) = delete;

    // Sleeps; nobody wakes the reader. The time is cut short when the buffers were filling fast.
    void wait(int timeout_ms);
    // Delivers events; returns the time up to which all have been. `more` tells whether younger ones are waiting.
    template <typename Take>
    uint64_t drain(Take&& take, bool& more);

    uint64_t late() const { return late_; }
    uint64_t delivered() const { return delivered_; }

 private:
    struct Cpu {
        cvf_ring* ring = nullptr;
        const uint8_t* data = nullptr;
        uint64_t tail = 0, next = 0;  // the record in hand, and the one behind it
        decode::Bytes record;
        uint64_t time = 0;
    };
    EventRing() = default;
    bool peek(Cpu& cpu);
    void release(Cpu& cpu);

    void* mapped_ = nullptr;
    size_t mapped_size_ = 0;
    uint64_t size_ = 0;
    uint32_t secret_ = 0;
    bool busy_ = false;  // the last drain found a ring more than an eighth full
    std::vector<Cpu> cpus_;
    uint64_t late_ = 0, delivered_ = 0, last_time_ = 0;
    std::vector<std::pair<uint64_t, uint32_t>> order_;  // heap: earliest first
};

uint64_t ring_cut();  // now, less the slack

template <typename Take>
uint64_t EventRing::drain(Take&& take, bool& more) {
    uint64_t cut = ring_cut();
    more = false;
    busy_ = false;
    order_.clear();
    for (uint32_t i = 0; i < cpus_.size(); i++) {
        if (peek(cpus_[i])) order_.push_back({cpus_[i].time, i});
    }
    std::make_heap(order_.begin(), order_.end(), std::greater<>());
    while (!order_.empty()) {
        std::pop_heap(order_.begin(), order_.end(), std::greater<>());
        Cpu& cpu = cpus_[order_.back().second];
        uint64_t until = order_.size() > 1 ? order_.front().first : UINT64_MAX;
        bool ended = false;
        // As long as this CPU's next is the earliest of all, the heap need not be touched.
        uint64_t unreleased = 0;
        while (cpu.time <= until) {
            if (cpu.time > cut) {
                more = ended = true;
                break;
            }
            if (cpu.time < last_time_)
                late_++;
            else
                last_time_ = cpu.time;
            delivered_++;
            take(cpu.record);
            unreleased += cpu.next - cpu.tail;
            cpu.tail = cpu.next;
            if (unreleased > size_ / 16) {
                release(cpu);
                unreleased = 0;
            }
            if (!peek(cpu)) {
                ended = true;
                break;
            }
        }
        release(cpu);
        if (ended) {
            order_.pop_back();
        } else {
            order_.back().first = cpu.time;
            std::push_heap(order_.begin(), order_.end(), std::greater<>());
        }
    }
    return cut;
}

}  // namespace cvf::tap
