/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What has no connection: an unconnected socket's packets are of one peer each, and each peer has a state of its own. */
#pragma once

#include "meet.h"

/* The peers of unconnected sockets, and of the kernel's own sockets for ICMP and resets. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 65536);
    __type(key, struct cvf_peer_key);
    __type(value, struct state);
} peers SEC(".maps");

/* A new peer's state before it is in the map; synthetic cookies count up per CPU. `busy`: programs inside, for another one may
 * interrupt the first, which then gives up. */
struct fresh {
    __u64 made, busy;
    struct state state;
};
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct fresh);
} fresh SEC(".maps");

/* The kernel's reset to who knocked at a closed port acknowledges the knock: the other end, when it is here. */
static __always_inline void meet_refused(struct __sk_buff* skb, struct state* s, int egress) {
    struct segment g;
    if (!egress || !parse_tcp(skb, &g) || !(g.flags & FLAG_RST)) return;
    struct opening* o = opening_at(g.acknowledgment - 1);
    __u64 opener = o ? who_met(&o->opener, opener_tag(g.acknowledgment - 1), 60) : 0;
    if (!opener) return;
    s->peer_cookie = opener;
    set(s, CVF_S_ELSEWHERE);
}

/* The packet's addresses as its socket has them, all else of `t` being 0. False: not an IP packet to be read. */
static __always_inline bool tuple_of_skb(struct cvf_tuple* t, struct __sk_buff* skb, int egress) {
    __u8 *p = (void*)(long)skb->data, *end = (void*)(long)skb->data_end;
    __u32 header = 40;
    __u8 *from = egress ? t->local : t->remote, *to = egress ? t->remote : t->local;
    if (p + 20 > end) return false;
    if (p[0] >> 4 == 4) {
        t->family = 4;
        t->protocol = p[9];
        header = (p[0] & 15) * 4;
        *(__u32*)from = *(__u32*)(p + 12);
        *(__u32*)to = *(__u32*)(p + 16);
    } else {
        if (p + 40 > end) return false;
        t->family = 6;
        t->protocol = p[6];
        __builtin_memcpy(from, p + 8, 16);
        __builtin_memcpy(to, p + 24, 16);
        if (t->protocol == 0) { /* hop-by-hop options, as MLD has them */
            if (p + 42 > end) return false;
            t->protocol = p[40];
            header = 48 + p[41] * 8;
        }
    }
    if (t->protocol == PROTOCOL_TCP || t->protocol == PROTOCOL_UDP || t->protocol == PROTOCOL_UDPLITE) {
        p += header;
        if (p + 4 > end) return false;
        __u16 source = bpf_ntohs(*(__be16*)p), destination = bpf_ntohs(*(__be16*)(p + 2));
        t->local_port = egress ? source : destination;
        t->remote_port = egress ? destination : source;
    }
    return true;
}

/* The state of one peer of the unconnected socket `parent`. Null: not an IP packet to be read, not
 * wanted, or no room. */
static __noinline struct state* peer(struct __sk_buff* skb, struct state* parent, int egress) {
    if (!parent) return 0;
    struct cvf_peer_key key = {};
    struct cvf_tuple* tuple = (struct cvf_tuple*)key.local; /* they lie in the same order */
    __u32 selector = control.selector;
    if (!tuple_of_skb(tuple, skb, egress)) return 0;
    if (selector && !selected(tuple, selector)) {
        count_loosely(CVF_C_PASSED_OVER);
        return 0;
    }
    key.cookie = parent->cookie;
    struct state* s = bpf_map_lookup_elem(&peers, &key);
    if (s) return s;

    __u32 zero = 0;
    struct fresh* f = bpf_map_lookup_elem(&fresh, &zero);
    if (!f) return 0;
    __sync_fetch_and_add(&f->busy, 1);
    if (*(volatile __u64*)&f->busy != 1) {
        __sync_fetch_and_add(&f->busy, -1);
        count(CVF_C_UNTRACKED);
        return 0;
    }
    if (!(parent->flags & CVF_S_PEERS)) set(parent, CVF_S_PEERS);
    s = &f->state;
    __builtin_memset(s, 0, sizeof *s);
    s->cookie = CVF_SYNTHETIC | (__u64)bpf_get_smp_processor_id() << 44 | ++f->made;
    s->first = bpf_ktime_get_ns();
    s->last_jiffies = bpf_jiffies64(); /* from the first moment: silence is a peer's end */
    s->netns = parent->netns;
    s->owner = parent->owner;
    s->parent_cookie = parent->cookie;
    s->flags = (parent->flags & CVF_S_OWN) | CVF_S_MET; /* nobody else has it yet */
    /* TCP without a connection is the kernel's reset to who knocked at a closed port. */
    s->flags |= egress && key.protocol != PROTOCOL_TCP ? CVF_S_CLIENT : CVF_S_SERVER;
    struct cvf_opened o = {};
    __builtin_memcpy(o.tuple.local, key.local, 32);
    o.tuple.local_port = key.local_port;
    o.tuple.remote_port = key.remote_port;
    o.tuple.family = key.family;
    o.tuple.protocol = key.protocol;
    if (key.protocol == PROTOCOL_TCP)
        meet_refused(skb, s, egress);
    else
        meet_datagram(s, &o.tuple);
    bool added = !bpf_map_update_elem(&peers, &key, s, BPF_NOEXIST);
    head_of(&o.event, s, CVF_OPENED, s->first);
    opened_of(&o, s);
    __sync_fetch_and_add(&f->busy, -1);
    if (added) send(&o);
    s = bpf_map_lookup_elem(&peers, &key);    /* also when another CPU was faster */
    if (!s && !added) count(CVF_C_UNTRACKED); /* there is no room */
    return s;
}
