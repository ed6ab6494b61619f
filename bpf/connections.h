/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* TCP connections: their handshake, which the listener's socket sees; their establishment; their end. */
#pragma once

#include "peers.h"

static __noinline int packet_unwanted(struct __sk_buff* skb, int egress, __u32 selector) {
    struct cvf_tuple t = {};
    if (tuple_of_skb(&t, skb, egress) && selected(&t, selector)) return 0;
    count_loosely(CVF_C_PASSED_OVER);
    return 1;
}

/* A listener's packet belongs to the child that may come of it. When the opener is here, its packets are taken there. */
static __noinline int handshake(struct __sk_buff* skb, struct state* s, int egress) {
    if (!s) return 0;
    struct segment g;
    __u32 selector = control.selector;
    if (selector && !egress && packet_unwanted(skb, egress, selector)) return 0;
    if (!parse_tcp(skb, &g)) return 0;
    if (g.flags & FLAG_RST) return 0;
    __u32 isn = egress ? g.acknowledgment - 1 : g.flags & FLAG_SYN ? g.sequence : g.sequence - 1;
    struct opening* o = opening_at(isn);
    if (!o) return 0;
    if (o->isn != isn || o->netns != s->netns) {
        /* An answer is judged only where nothing is known of what it answers: its addresses may be translated already. */
        if (selector && egress && packet_unwanted(skb, egress, selector)) return 0;
        o->isn = isn;
        o->netns = s->netns;
        o->first = bpf_ktime_get_ns();
        o->packets_in = o->bytes_in = o->packets_out = o->bytes_out = 0;
        o->listener = s->cookie | (who_met(&o->opener, opener_tag(isn), 60) ? OPENER_IS_HERE : 0);
    }
    if (egress) {
        o->packets_out++;
        o->bytes_out += skb->len;
    } else {
        o->packets_in++;
        o->bytes_in += skb->len;
    }
    if (control.payload && !(o->listener & OPENER_IS_HERE) && skb->len) emit(skb, s, CVF_HANDSHAKE, egress, skb->len, isn);
    return 0;
}

/* A subflow of MPTCP is the kernel's; its owner is the connection's. Parents are known by their address: nobody asked them for a
 * cookie. */
static __always_inline void adopt(struct bpf_sock* sk, struct state* s) {
    if (!bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_skc_to_mptcp_sock)) return;
    struct mptcp_sock* connection = bpf_skc_to_mptcp_sock(sk);
    if (!connection) return;
    s->parent_cookie = (__u64)connection;
    struct state* parent = bpf_sk_storage_get(&sockets, connection, 0, 0);
    if (!parent || !parent->owner.pid || s->owner.pid == parent->owner.pid) return;
    s->owner = parent->owner;
    if (s->flags & CVF_S_MET) tell_owner(s, s->cookie, bpf_ktime_get_ns());
}

static __always_inline void established(struct bpf_sock_ops* ctx, bool server) {
    struct bpf_sock* sk = ctx->sk;
    if (!sk) return;
    struct state* s = bpf_sk_storage_get(&sockets, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
    if (!s) {
        count(CVF_C_UNTRACKED);
        return;
    }
    if (!s->cookie) s->cookie = bpf_get_socket_cookie(ctx);
    if (!s->netns) {
        struct tcp_sock* tp = bpf_skc_to_tcp_sock(sk);
        s->netns = tp ? netns_of_tcp(tp) : 0;
    }
    __u32 isn_in = ctx->rcv_nxt - 1, isn_out = ctx->snd_nxt - 1;
    __u64 listener = 0;
    set(s, CVF_S_TCP | (server ? CVF_S_SERVER : CVF_S_CLIENT));
    if (s->flags & CVF_S_PASSED_OVER || (control.selector && !(s->flags & CVF_S_MET) && unwanted(s, sk))) {
        adopt(sk, s);
        return;
    }
    s->ways[0].known = s->ways[1].known = control.payload;
    s->ways[0].next = isn_in + 1;
    s->ways[1].next = isn_out + 1;
    adopt(sk, s);
    if (!server) {
        struct opening* o = opening_at(isn_out);
        if (o) met_first(&o->opener, isn_tag(isn_out, isn_in), s->cookie);
    } else {
        s->isn_in = isn_in;
        struct opening* o = opening_at(isn_in);
        if (o && o->isn == isn_in && o->netns == s->netns) {
            s->first = o->first;
            listener = o->listener & ~OPENER_IS_HERE;
            s->ways[0].packets += o->packets_in;
            s->ways[0].bytes += o->bytes_in;
            s->ways[1].packets += o->packets_out;
            s->ways[1].bytes += o->bytes_out;
            o->isn = o->netns = 0;
        }
        s->last_jiffies = bpf_jiffies64();
        __u64 peer = o ? who_met(&o->opener, isn_tag(isn_in, isn_out), 60) : 0;
        /* With TCP Fast Open the child is there before the opener knows of it. */
        if (!peer && o) peer = who_met(&o->opener, opener_tag(isn_in), 60);
        if (peer && peer != s->cookie) {
            s->peer_cookie = peer;
            set(s, CVF_S_ELSEWHERE);
        }
    }
    if (s->first && s->flags & CVF_S_MET) return;
    __u64 now = bpf_ktime_get_ns();
    if (!s->first) s->first = now;
    if (s->flags & CVF_S_MET) return;
    set(s, CVF_S_MET);
    struct room room;
    struct cvf_opened* o = begin(&room, struct cvf_opened);
    if (!o) return;
    tuple_of_uapi(&o->tuple, sk);
    head_of(&o->event, s, CVF_OPENED, now);
    opened_of(o, s);
    o->isn_in = isn_in;
    o->isn_out = isn_out;
    o->listener_cookie = listener;
    commit(&room, sizeof *o);
}

/* Who connects a socket or listens with it is its owner, whoever made it. */
static __always_inline struct state* own_now(struct bpf_sock_ops* ctx) {
    struct bpf_sock* sk = ctx->sk;
    if (!sk) return 0;
    struct state* s = bpf_sk_storage_get(&sockets, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
    if (!s) return 0; /* counted at its first packet */
    if (!s->cookie) s->cookie = bpf_get_socket_cookie(ctx);
    if (!s->netns) {
        struct tcp_sock* tp = bpf_skc_to_tcp_sock(sk);
        s->netns = tp ? netns_of_tcp(tp) : 0;
    }
    bool news = own(s, false);
    if (news && s->flags & CVF_S_MET) tell_owner(s, s->cookie, bpf_ktime_get_ns()); /* connected before, by another process */
    return s;
}

SEC("sockops")
int cvf_sockops(struct bpf_sock_ops* ctx) {
    switch (ctx->op) {
        case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
            established(ctx, true);
            break;
        case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
            established(ctx, false);
            break;
        case BPF_SOCK_OPS_TCP_CONNECT_CB:
            own_now(ctx);
            break;
        case BPF_SOCK_OPS_TCP_LISTEN_CB: {
            struct bpf_sock* sk = ctx->sk;
            struct state* s = own_now(ctx);
            if (!sk || !s) break;
            set(s, CVF_S_LISTENER | CVF_S_TCP);
            struct room room;
            struct cvf_opened* o = begin(&room, struct cvf_opened);
            if (!o) break;
            tuple_of_uapi(&o->tuple, sk);
            head_of(&o->event, s, CVF_LISTEN, bpf_ktime_get_ns());
            opened_of(o, s);
            commit(&room, sizeof *o);
            break;
        }
    }
    return 1;
}

/* A TCP socket ends. */
SEC("tp_btf/tcp_destroy_sock")
int BPF_PROG(cvf_destroy, struct sock* sk) {
    struct state* s = bpf_sk_storage_get(&sockets, sk, 0, 0);
    if (!s || s->flags & CVF_S_CLOSED || !(s->flags & (CVF_S_MET | CVF_S_LISTENER))) return 0;
    set(s, CVF_S_CLOSED);
    struct room room;
    struct cvf_report* r = begin(&room, struct cvf_report);
    if (!r) return 0;
    tuple_of_sock(&r->socket.tuple, sk);
    report_of(r, s);
    struct tcp_sock* tp = bpf_skc_to_tcp_sock(sk);
    if (tp) tcp_numbers(&r->tcp, tp);
    head_of(&r->socket.event, s, CVF_CLOSED, bpf_ktime_get_ns());
    commit(&room, sizeof *r);
    return 0;
}
