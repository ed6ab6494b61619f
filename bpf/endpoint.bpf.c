/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The endpoint tap: counts every packet of every local socket that is wanted, sends as much payload as is wanted, knows each
 * socket's owner.
 *
 * A packet's way: cvf_egress or cvf_ingress -> packet() -> the socket's state (or, for an unconnected one, its peer's) ->
 * counters -> payload.h. Sockets are met (told to the agent) at their first packet; accepted ones when their handshake ends. A
 * TCP socket costs nothing before it connects, listens or is accepted. */
#include "connections.h"
#include "owners.h"
#include "payload.h"
#include "peers.h"
#include "reports.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Bytes on the wire: an aggregate is as many packets as it has segments, each with its own headers. */
static __noinline __u64 wire_length(struct __sk_buff* skb, __u32 segments) {
    __u8 *p = (void*)(long)skb->data, *end = (void*)(long)skb->data_end;
    __u32 header = 40;
    __u8 protocol;
    if (p + 40 > end) return skb->len;
    if (p[0] >> 4 == 4) {
        header = (p[0] & 15) * 4;
        protocol = p[9];
    } else {
        protocol = p[6];
    }
    p += header;
    if (p + 16 > end) return skb->len;
    header += protocol == PROTOCOL_TCP ? (p[12] >> 4) * 4 : 8;
    return skb->len + (__u64)(segments - 1) * header;
}

static __always_inline void packet(struct __sk_buff* skb, int egress) {
    struct bpf_sock* sk = skb->sk;
    if (!sk) return;
    struct state* s = bpf_sk_storage_get(&sockets, sk, 0, 0);
    if (sk->state == TCP_LISTEN) {
        if (!s || !(s->flags & CVF_S_LISTENER)) s = meet(skb, egress);
        if (s) handshake(skb, s, egress);
        return;
    }
    if (!s || !(s->flags & CVF_S_MET)) {
        if (s && s->flags & CVF_S_PASSED_OVER && (s->flags & CVF_S_TCP || remote_tag(sk) == s->remote_tag)) {
            count_loosely(CVF_C_PASSED_OVER);
            return;
        }
        s = meet(skb, egress);
        if (!s) return;
    }
    if (!(s->flags & CVF_S_TCP) && (!(s->flags & CVF_S_MET) || !sk->dst_port || remote_tag(sk) != s->remote_tag)) {
        s = peer(skb, s, egress);
        if (!s) return;
    }
    __u32 segments = skb->gso_segs;
    __u64 bytes = skb->len;
    if (segments > 1)
        bytes = wire_length(skb, segments);
    else
        segments = 1;
    __sync_fetch_and_add(&s->ways[egress].packets, segments);
    __sync_fetch_and_add(&s->ways[egress].bytes, bytes);
    s->last_jiffies = bpf_jiffies64();
    if (!control.payload || s->flags & CVF_S_ELSEWHERE || (s->flags & CVF_S_OWN && !watch_self)) return;
    if (s->flags & CVF_S_TCP)
        take_tcp(skb, s, egress);
    else
        take_datagram(skb, s, egress);
}

SEC("cgroup_skb/egress")
int cvf_egress(struct __sk_buff* skb) {
    packet(skb, 1);
    return 1;
}

SEC("cgroup_skb/ingress")
int cvf_ingress(struct __sk_buff* skb) {
    packet(skb, 0);
    return 1;
}

/* A process closes a socket. TCP goes on without it: its end is tcp_destroy_sock. */
SEC("cgroup/sock_release")
int cvf_sock_release(struct bpf_sock* sk) {
    struct state* s = bpf_sk_storage_get(&sockets, sk, 0, 0);
    if (!s || !(s->flags & (CVF_S_MET | CVF_S_PEERS)) || s->flags & CVF_S_CLOSED) return 1;
    /* Accepted and never read: the owner is who closes it, unless that is left to a thread of the kernel. */
    if (!s->owner.pid && own(s, false)) tell_owner(s, s->cookie, bpf_ktime_get_ns());
    if (s->flags & CVF_S_TCP) return 1;
    set(s, CVF_S_CLOSED);
    struct room room;
    struct cvf_report* r = begin(&room, struct cvf_report);
    if (!r) return 1;
    report_of(r, s); /* this hook may not read the tuple: its family stays 0, and the agent has it from CVF_OPENED */
    head_of(&r->socket.event, s, CVF_CLOSED, bpf_ktime_get_ns());
    commit(&room, sizeof *r);
    return 1;
}
