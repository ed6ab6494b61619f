#include "tap/endpoint_ring.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "host/clock.h"

namespace cvf::tap {

namespace {

// A program reads the clock and then writes its event; between the two lie microseconds.
constexpr uint64_t slack_ns = 200'000;
constexpr uint32_t longest = CVF_MOST + 4096;

}  // namespace

uint64_t ring_cut() {
    return static_cast<uint64_t>(host::monotonic_now()) - slack_ns;
}

std::expected<std::unique_ptr<EventRing>, std::string> EventRing::open(int map_fd, uint32_t cpus, uint32_t size,
                                                                       uint32_t secret) {
    std::unique_ptr<EventRing> ring(new EventRing);
    size_t each = (size_t{CVF_RING_HEADER} + size + CVF_RING_SLACK + 7) & ~size_t{7},
           page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    ring->mapped_size_ = (each * cpus + page - 1) / page * page;
    ring->mapped_ = mmap(nullptr, ring->mapped_size_, PROT_READ | PROT_WRITE, MAP_SHARED, map_fd, 0);
    if (ring->mapped_ == MAP_FAILED) {
        ring->mapped_ = nullptr;
        return std::unexpected(fmt::format("cannot map the event buffers: {}", std::strerror(errno)));
    }
    ring->size_ = size;
    ring->secret_ = secret;
    for (uint32_t i = 0; i < cpus; i++) {
        Cpu& cpu = ring->cpus_.emplace_back();
        auto* base = static_cast<uint8_t*>(ring->mapped_) + each * i;
        cpu.ring = reinterpret_cast<cvf_ring*>(base);
        cpu.data = base + CVF_RING_HEADER;
    }
    return ring;
}

EventRing::~EventRing() {
    if (mapped_) munmap(mapped_, mapped_size_);
}

void EventRing::wait(int timeout_ms) {
    ::poll(nullptr, 0, busy_ ? std::min(timeout_ms, 1) : timeout_ms);
}

void EventRing::release(Cpu& cpu) {
    __atomic_store_n(&cpu.ring->tail, cpu.tail, __ATOMIC_RELEASE);
}

bool EventRing::peek(Cpu& cpu) {
    uint64_t head = __atomic_load_n(&cpu.ring->head, __ATOMIC_ACQUIRE);
    if (head - cpu.tail > size_ / 8) busy_ = true;
    while (cpu.tail != head) {
        uint64_t at = cpu.tail & (size_ - 1);
        uint64_t word = __atomic_load_n(reinterpret_cast<const uint64_t*>(cpu.data + at), __ATOMIC_ACQUIRE);
        // Without the mark the program that took this room is still writing.
        if (static_cast<uint32_t>(word >> 32) != (static_cast<uint32_t>(cpu.tail >> 3) ^ secret_)) return false;
        uint32_t length = static_cast<uint32_t>(word) & ~CVF_DISCARD;
        if (length > longest) return false;
        cpu.next = std::min(cpu.tail + ((8 + uint64_t{length} + 7) & ~uint64_t{7}), (cpu.tail | (size_ - 1)) + 1);
        if (word & CVF_DISCARD || length < sizeof(cvf_event)) {
            cpu.tail = cpu.next;
            continue;
        }
        cpu.record = {cpu.data + at + 8, length};
        std::memcpy(&cpu.time, cpu.record.data(), sizeof cpu.time);
        return true;
    }
    return false;
}

}  // namespace cvf::tap
