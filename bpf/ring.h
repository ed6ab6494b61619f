/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Writing to the CPU's buffer (its layout: shared.h). A perf or ring buffer costs three to five times as much per event: here
 * there is no call but the one that copies the packet, and nobody is woken: the agent looks every few milliseconds.
 *
 * A program may be interrupted by another one on its CPU, so space is taken by compare-and-exchange. Where the kernel has none
 * (before 5.12; CVF_PLAIN_ATOMICS) whoever finds another program inside gives up, and the event is counted as lost. */
#pragma once

#include "kernel.h"
#include "shared.h"

const volatile __u32 ring_mask = 0xfffff, ring_secret = 0;

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 1); /* as many as CPUs, set at load */
    __uint(key_size, 4);
    __uint(value_size, CVF_RING_HEADER + 0x100000 + CVF_RING_SLACK);
} rings SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, CVF_C_COUNT);
    __type(key, __u32);
    __type(value, __u64);
} counts SEC(".maps");

static __always_inline void count(__u32 what) {
    __u64* n = bpf_map_lookup_elem(&counts, &what);
    if (n) __sync_fetch_and_add(n, 1); /* an interrupt's program may count on this CPU, too */
}

/* What is common, and no loss: one that an interrupt's program counts in the same moment may be missing. */
static __always_inline void count_loosely(__u32 what) {
    __u64* n = bpf_map_lookup_elem(&counts, &what);
    if (n) ++*n;
}

struct room {
    __u8* record; /* its first word; the event goes to record + 8 */
    __u64 mark;
};

/* Takes room for an event of `size` bytes (at most CVF_MOST + 4096). False: there is none. */
static __always_inline bool reserve(struct room* room, __u32 size) {
    __u32 cpu = bpf_get_smp_processor_id();
    struct cvf_ring* ring = bpf_map_lookup_elem(&rings, &cpu);
    if (!ring) {
        count(CVF_C_LOST); /* a CPU that came later */
        return false;
    }
    __u64 all = (8 + size + 7) & ~7ULL;
#ifdef CVF_PLAIN_ATOMICS
    __sync_fetch_and_add(&ring->busy, 1);
    if (*(volatile __u64*)&ring->busy != 1) {
        __sync_fetch_and_add(&ring->busy, -1);
        count(CVF_C_LOST);
        return false;
    }
#endif
    __u64 at = 0;
#pragma unroll
    for (int i = 0; i < 3; i++) {
        at = *(volatile __u64*)&ring->head;
        __u64 next = at + all, end = (at | ring_mask) + 1;
        if (next > end) next = end;
        if (next - *(volatile __u64*)&ring->tail > (__u64)ring_mask + 1) break;
#ifdef CVF_PLAIN_ATOMICS
        *(volatile __u64*)&ring->head = next;
        __sync_fetch_and_add(&ring->busy, -1);
        goto taken;
#else
        if (__sync_val_compare_and_swap(&ring->head, at, next) == at) goto taken;
#endif
    }
#ifdef CVF_PLAIN_ATOMICS
    __sync_fetch_and_add(&ring->busy, -1);
#endif
    count(CVF_C_LOST);
    return false;
taken:
    room->record = (__u8*)ring + CVF_RING_HEADER + (at & ring_mask & ~7U);
    room->mark = (__u64)((__u32)(at >> 3) ^ ring_secret) << 32;
    return true;
}

/* The event is complete: the reader may have it. */
static __always_inline void commit(struct room* room, __u32 length) {
#if defined(__TARGET_ARCH_x86) || defined(CVF_PLAIN_ATOMICS)
    asm volatile("" ::: "memory"); /* stores stay in order */
    *(volatile __u64*)room->record = room->mark | length;
#else
    __sync_lock_test_and_set((__u64*)room->record, room->mark | length);
#endif
}

/* Room for an event of type `type`, zeroed: null when there is none. Written where it stays, for what is built on the stack is
 * written twice. */
#define begin(room, type)                              \
    ({                                                 \
        type* event_ = 0;                              \
        if (reserve(room, sizeof(type))) {             \
            event_ = (type*)((room)->record + 8);      \
            __builtin_memset(event_, 0, sizeof(type)); \
        }                                              \
        event_;                                        \
    })

/* An event of constant size, built elsewhere. Assigned, not copied: so the compiler knows that it is aligned. */
#define send(event)                                                \
    do {                                                           \
        struct room room_;                                         \
        if (reserve(&room_, sizeof *(event))) {                    \
            *(__typeof__(*(event))*)(room_.record + 8) = *(event); \
            commit(&room_, sizeof *(event));                       \
        }                                                          \
    } while (0)
