/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* How much of a packet's payload leaves the kernel.
 *
 * Each direction starts with `first_bytes`; after that each turn (the first new data after the other side's) brings `turn_bytes`,
 * until the agent's verdict. All of it is reckoned in stream offsets: what lies below the limit is taken, so a retransmission or
 * a segment that fills a hole neither spends anything nor turns the conversation, and a pure ACK is no data at all. */
#pragma once

#include "control.h"
#include "socket.h"

const volatile __u32 payload_full = 0, first_bytes = 16384, turn_bytes = 4096, want_mask = 0, watch_self = 0;

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 2048);
    __type(key, __u32);
    __type(value, struct cvf_want_line);
} wants SEC(".maps");

enum { VERDICT_BUDGET, VERDICT_ALL, VERDICT_HEADS, VERDICT_NONE };
enum { FLAG_FIN = 1, FLAG_SYN = 2, FLAG_RST = 4, FLAG_ACK = 16 };

/* A TCP header's part of interest. */
struct segment {
    __u32 sequence, acknowledgment, header, window; /* header: bytes of IP and TCP header */
    __u8 flags;
};

static __always_inline bool parse_tcp(struct __sk_buff* skb, struct segment* g) {
    __u8 *p = (void*)(long)skb->data, *end = (void*)(long)skb->data_end;
    __u32 ip = 40;
    if (p + 40 > end) return false;
    if (p[0] >> 4 == 4) {
        ip = (p[0] & 15) * 4;
        if (ip < 20) return false;
    } else if (p[6] != PROTOCOL_TCP) {
        return false; /* extension headers */
    }
    p += ip;
    if (p + 20 > end) return false;
    g->sequence = bpf_ntohl(*(__be32*)(p + 4));
    g->acknowledgment = bpf_ntohl(*(__be32*)(p + 8));
    g->header = ip + (p[12] >> 4) * 4;
    g->flags = p[13];
    g->window = bpf_ntohs(*(__be16*)(p + 14));
    return true;
}

/* One packet as an event, `captured` bytes of it (0 < captured <= length). */
static __always_inline void emit(struct __sk_buff* skb, const struct state* s, __u8 type, int egress, __u32 captured, __u32 isn) {
    struct room room;
    __u32 n = captured - 1;
    if (n >= CVF_MOST) n = CVF_MOST - 1;
    asm volatile("" : "+r"(n)); /* or clang proves the mask needless, and the verifier has no bound */
    n &= CVF_MOST - 1;
    if (!reserve(&room, sizeof(struct cvf_payload) + n + 1)) return;
    struct cvf_payload* e = (void*)(room.record + 8);
    __builtin_memset(e, 0, sizeof *e);
    head_of(&e->event, s, type, bpf_ktime_get_ns());
    e->event.egress = egress;
    e->length = skb->len;
    e->captured = n + 1;
    e->isn = isn;
    long failed = bpf_skb_load_bytes(skb, 0, e + 1, n + 1);
    commit(&room, (sizeof *e + n + 1) | (failed ? CVF_DISCARD : 0));
}

/* The verdict for this direction, or null: none was given. */
static __always_inline const struct cvf_want* want_of(const struct state* s) {
    __u32 line = (__u32)s->cookie & want_mask;
    struct cvf_want_line* l = bpf_map_lookup_elem(&wants, &line);
    if (!l) return 0;
    if (l->want[0].cookie == s->cookie) return &l->want[0];
    if (l->want[1].cookie == s->cookie) return &l->want[1];
    return 0;
}

/* `length` bytes of data at stream offset `offset` (which may lie before the first byte seen). How many of them are to be taken.
 */
static __always_inline __u32 budget(struct state* s, struct way* w, int egress, __s64 offset, __u32 length) {
    __s64 end = offset + length;
    if (end > (__s64)w->position) {
        /* New data: whose turn is it? */
        if (!w->turn) {
            w->turn = 1;
            s->ways[!egress].turn = 0;
            w->begin = w->position;
        }
        w->position = end;
    }
    const struct cvf_want* want = want_of(s);
    __u8 verdict = VERDICT_BUDGET;
    __u64 begin = w->begin;
    if (want) {
        __u64 skip = want->skip[egress];
        verdict = want->verdict[egress];
        if (verdict == VERDICT_NONE || end <= (__s64)skip) return 0;
        if (begin < skip) begin = skip;
        if (verdict == VERDICT_ALL) return length;
    }
    if (payload_full) return length;
    __s64 limit = begin + turn_bytes;
    if (verdict == VERDICT_BUDGET && limit < first_bytes) limit = first_bytes;
    __s64 room = limit - offset;
    return room <= 0 ? 0 : room < length ? (__u32)room : length;
}

static __always_inline void take_tcp(struct __sk_buff* skb, struct state* s, int egress) {
    struct way* w = &s->ways[egress];
    struct segment g;
    __u8 known = control.payload;
    if (!parse_tcp(skb, &g)) return;
    bool closed = !g.window;
    if (closed != (w->zero_windows & 1) && !(g.flags & (FLAG_SYN | FLAG_RST)) && w->zero_windows < 65534) w->zero_windows++;
    __u32 length = skb->len > g.header ? skb->len - g.header : 0;
    __u32 first = g.sequence + !!(g.flags & FLAG_SYN);
    if (w->known != known || (g.flags & FLAG_SYN && !w->position)) {
        if (w->known && w->known != known) {
            /* Payload was off for a while. What went by meanwhile counts, for the agent's offsets go on; a turn begins. */
            __s32 missed = first - w->next;
            if (missed > 0) w->position += missed;
            w->begin = w->position;
        } else {
            w->position = w->begin = 0;
        }
        w->known = known;
        w->next = first;
    }
    __u32 taken = 0;
    if (length) {
        __s64 offset = (__s64)w->position + (__s32)(first - w->next);
        __u64 before = w->position;
        taken = budget(s, w, egress, offset, length);
        if (w->position != before) w->next = first + length;
    }
    if (taken || g.flags & (FLAG_SYN | FLAG_FIN | FLAG_RST)) {
        __u32 bytes = g.header + taken;
        if (bytes > skb->len) bytes = skb->len;
        if (bytes) emit(skb, s, CVF_PAYLOAD, egress, bytes, 0);
    }
}

/* A datagram or message is taken whole or not at all. */
static __always_inline void take_datagram(struct __sk_buff* skb, struct state* s, int egress) {
    struct way* w = &s->ways[egress];
    __u32 length = skb->len;
    if (length && budget(s, w, egress, w->position, length)) emit(skb, s, CVF_PAYLOAD, egress, length, 0);
}
