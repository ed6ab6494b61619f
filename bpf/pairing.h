/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Which two sockets of this machine are the ends of one conversation: each looks for the other at a place that both know, and the
 * second finds the first there. */
#pragma once

#include "socket.h"

const volatile __u32 jiffies_per_second = 1000;

/* Who was here first, found by what both ends know: `tag`. */
struct meeting {
    __u64 tag, cookie, jiffies;
};

/* A TCP connection in the making. Both ends find it by the opener's initial sequence number, which survives address translation;
 * a collision loses a count or a pair. One cache line, for it is cold whenever it is needed. */
struct opening {
    /* The opener's, when it is here: its tag is of its own number first, and of both numbers once it is connected. */
    struct meeting opener;
    /* What a listener saw of the handshake, until its child takes it over. */
    __u64 first;
    __u32 isn, netns;
    __u32 packets_in, bytes_in, packets_out, bytes_out;
    __u64 listener; /* its cookie, with OPENER_IS_HERE where that one tells the packets */
};
#define OPENER_IS_HERE CVF_SYNTHETIC
#define OPENINGS 16384
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, OPENINGS);
    __type(key, __u32);
    __type(value, struct opening);
} openings SEC(".maps");

/* Of datagrams the end met first, by the tuple; believed for a second only. */
#define MEETINGS 16384
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, MEETINGS);
    __type(key, __u32);
    __type(value, struct meeting);
} meetings SEC(".maps");

static __always_inline __u64 mixed(__u64 h, __u64 v) {
    h = (h ^ v) * 0x9E3779B97F4A7C15ULL;
    return h ^ h >> 29;
}

static __always_inline struct meeting* meeting_at(__u64 tag) {
    __u32 i = (__u32)(tag >> 40) & (MEETINGS - 1);
    return bpf_map_lookup_elem(&meetings, &i);
}

static __always_inline void met_first(struct meeting* m, __u64 tag, __u64 cookie) {
    if (!m) return;
    m->tag = 0;
    m->cookie = cookie;
    m->jiffies = bpf_jiffies64();
    m->tag = tag;
}

static __always_inline __u64 who_met(const struct meeting* m, __u64 tag, __u64 seconds) {
    if (!m || m->tag != tag || bpf_jiffies64() - m->jiffies > seconds * jiffies_per_second) return 0;
    return m->cookie;
}

static __always_inline struct opening* opening_at(__u32 isn) {
    __u32 i = (isn ^ isn >> 15) & (OPENINGS - 1);
    return bpf_map_lookup_elem(&openings, &i);
}

static __always_inline __u64 opener_tag(__u32 isn) {
    return mixed(0x09e2, isn) | 1;
}

static __always_inline __u64 isn_tag(__u32 opener, __u32 accepter) {
    return mixed(0x5ec1, (__u64)opener << 32 | accepter) | 1;
}

static __always_inline __u64 end_tag(const __u8* from, __u16 from_port, const __u8* to, __u16 to_port, __u8 protocol) {
    __u64 h = mixed((__u64)protocol << 32 | (__u64)from_port << 16 | to_port, *(__u64*)from);
    h = mixed(h, *(__u64*)(from + 8));
    h = mixed(h, *(__u64*)to);
    return mixed(h, *(__u64*)(to + 8)) | 1;
}

/* A loopback address means another place in each namespace: the namespace, then; else 0. */
static __always_inline __u64 place(const struct cvf_tuple* t, __u32 netns) {
    const __u8* a = t->remote;
    if (t->family == 4) return a[0] == 127 ? netns : 0;
    const __u64* half = (const __u64*)a;
    if (half[0]) return 0;
    return half[1] == bpf_cpu_to_be64(1) ||
                   (half[1] & bpf_cpu_to_be64(0xffffffffff000000ULL)) == bpf_cpu_to_be64(0xffff7f000000ULL)
               ? netns
               : 0;
}

/* Finds the other end of a datagram conversation, or leaves word for it. */
static __always_inline void meet_datagram(struct state* s, const struct cvf_tuple* t) {
    __u64 here = place(t, s->netns) << 1; /* a tag has its lowest bit set, always */
    __u64 tag = end_tag(t->remote, t->remote_port, t->local, t->local_port, t->protocol) ^ here;
    __u64 peer = who_met(meeting_at(tag), tag, 1);
    if (peer && peer != s->cookie) {
        s->peer_cookie = peer;
        set(s, CVF_S_ELSEWHERE);
    } else {
        tag = end_tag(t->local, t->local_port, t->remote, t->remote_port, t->protocol) ^ here;
        met_first(meeting_at(tag), tag, s->cookie);
    }
}
