/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* A socket's first packet that is wanted: it gets its state, and the agent is told of it. */
#pragma once

#include "pairing.h"
#include "payload.h"
#include "selector.h"

/* Volatile: else clang reckons with the pointer, which the verifier forbids. */
static __always_inline void tuple_of_uapi(struct cvf_tuple* t, volatile struct bpf_sock* sk) {
    t->state = sk->state;
    t->protocol = sk->protocol;
    t->local_port = sk->src_port;
    t->remote_port = bpf_ntohs(sk->dst_port);
    if (sk->family == AF_INET6) {
        __u32 *l = (__u32*)t->local, *r = (__u32*)t->remote;
        t->family = 6;
        l[0] = sk->src_ip6[0], l[1] = sk->src_ip6[1], l[2] = sk->src_ip6[2], l[3] = sk->src_ip6[3];
        r[0] = sk->dst_ip6[0], r[1] = sk->dst_ip6[1], r[2] = sk->dst_ip6[2], r[3] = sk->dst_ip6[3];
        asm volatile(""); /* else it joins the ends of both branches, reckoning with the pointer there */
    } else {
        t->family = 4;
        *(__u32*)t->local = sk->src_ip4;
        *(__u32*)t->remote = sk->dst_ip4;
    }
}

/* Tells a datagram socket that has been connected to somebody else since it was met. */
static __always_inline __u32 remote_tag(volatile struct bpf_sock* sk) {
    return (sk->family == AF_INET6 ? sk->dst_ip6[3] * 31 + sk->dst_ip6[2] + sk->dst_ip6[1] * 7 + sk->dst_ip6[0] : sk->dst_ip4) *
               65599 +
           sk->dst_port;
}

/* The selector has no use for this socket: until it has, a packet of it costs a look at its storage, and nothing is told. */
static __always_inline void pass_over(struct state* s) {
    if (s->flags & CVF_S_PASSED_OVER) return;
    set(s, CVF_S_PASSED_OVER);
    count(CVF_C_SOCKETS_PASSED_OVER);
}

/* Judges a socket that is not met by its tuple. */
static __always_inline bool unwanted(struct state* s, struct bpf_sock* sk) {
    __u32 selector = control.selector;
    if (selector) {
        struct cvf_tuple t = {};
        tuple_of_uapi(&t, sk);
        if (!selected(&t, selector)) {
            pass_over(s);
            return true;
        }
    }
    if (s->flags & CVF_S_PASSED_OVER) clear(s, CVF_S_PASSED_OVER);
    return false;
}

/* A socket met at a packet: fills in what is not known yet. Null: no memory, or the selector passes over it. */
static __noinline struct state* meet(struct __sk_buff* skb, int egress) {
    struct bpf_sock* sk = skb->sk;
    if (!sk) return 0;
    sk = bpf_sk_fullsock(sk);
    if (!sk) return 0;
    struct state* s = bpf_sk_storage_get(&sockets, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
    if (!s) {
        count(CVF_C_UNTRACKED);
        return 0;
    }
    if (s->flags & CVF_S_MET) return s;
    volatile struct bpf_sock* v = sk;
    __u64 now = bpf_ktime_get_ns();
    if (!s->cookie) s->cookie = bpf_get_socket_cookie(skb);
    if (!s->first) s->first = now;
    if (!s->netns) s->netns = netns_of(sk);
    if (!s->owner.cgroup_id) s->owner.cgroup_id = bpf_sk_cgroup_id(sk);
    if (v->protocol == PROTOCOL_TCP && v->type == 1 /* SOCK_STREAM */) {
        set(s, CVF_S_TCP);
        if (v->state == TCP_LISTEN) {
            set(s, CVF_S_LISTENER); /* older than the agent; its CVF_LISTEN came from the iterator */
            return s;
        }
        if (v->state == TCP_SYN_SENT) {
            struct segment g;
            set(s, CVF_S_CLIENT);
            if (unwanted(s, sk)) goto passed_over;
            if (egress && parse_tcp(skb, &g) && g.flags & FLAG_SYN) {
                struct opening* o = opening_at(g.sequence);
                if (o) met_first(&o->opener, opener_tag(g.sequence), s->cookie);
            }
        } else {
            if (!(s->flags & (CVF_S_CLIENT | CVF_S_SERVER))) set(s, CVF_S_EXISTED);
            if (unwanted(s, sk)) goto passed_over;
        }
    } else if (!v->dst_port) {
        return s; /* unconnected: its peers are met one by one */
    } else {
        struct cvf_tuple t = {};
        tuple_of_uapi(&t, sk);
        if (!(s->flags & (CVF_S_CLIENT | CVF_S_SERVER))) set(s, egress ? CVF_S_CLIENT : CVF_S_SERVER);
        s->remote_tag = remote_tag(sk);
        if (unwanted(s, sk)) goto passed_over;
        meet_datagram(s, &t);
    }
    set(s, CVF_S_MET);
    struct room room;
    struct cvf_opened* o = begin(&room, struct cvf_opened);
    if (!o) return s;
    tuple_of_uapi(&o->tuple, sk);
    head_of(&o->event, s, CVF_OPENED, now);
    opened_of(o, s);
    commit(&room, sizeof *o);
    return s;
passed_over:
    count_loosely(CVF_C_PASSED_OVER);
    return 0;
}
