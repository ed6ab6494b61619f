/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Whose a socket is: who made it, and then who uses it. */
#pragma once

#include "socket.h"

const volatile __u32 subtree = 0;       /* 1: only sockets of the cgroups in subtree_ids are ours */
const volatile __u32 own_at_create = 0; /* 1: no sockops program names the owner of TCP sockets when they connect or listen */

/* A process makes a socket. A TCP socket's owner is who connects it or listens with it, and many a one does neither. */
SEC("cgroup/sock_create")
int cvf_sock_create(struct bpf_sock* sk) {
    if (!own_at_create && sk->protocol == PROTOCOL_TCP && sk->type == 1) return 1;
    struct state* s = bpf_sk_storage_get(&sockets, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
    if (!s) return 1;
    s->cookie = bpf_get_socket_cookie(sk);
    own(s, true);
    return 1;
}

/* Who uses a socket, when it is not whom we know: accepted, inherited or passed on, or older than the agent. */
static __always_inline int used(void* ctx, struct sock* sk) {
    __u16 family = sk->__sk_common.skc_family;
    if (family != AF_INET && family != AF_INET6) return 0;
    struct state* s = bpf_sk_storage_get(&sockets, sk, 0, 0);
    if (!s) {
        if (sk->sk_protocol != PROTOCOL_MPTCP || subtree) return 0;
        s = bpf_sk_storage_get(&sockets, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
        if (!s) return 0;
    }
    if (s->owner.pid == (__u32)(bpf_get_current_pid_tgid() >> 32)) return 0;
    /* Processes that take turns at one socket are not worth an event each: 16 in about a second. */
    __u64 now = bpf_ktime_get_ns();
    __u32 second = (__u32)(now >> 30) << 5, lately = s->owner.lately;
    if ((lately ^ second) > 31) lately = second;
    if ((lately & 31) >= 16) return 0;
    if (!s->cookie) s->cookie = bpf_get_socket_cookie(sk);
    if (!own(s, true)) return 0;
    s->owner.lately = lately + 1;
    if (s->flags & CVF_S_PASSED_OVER) return 0; /* told with the rest, when somebody wants it */
    tell_owner(s, sk->sk_protocol == PROTOCOL_MPTCP ? (__u64)sk : s->cookie, now);
    return 0;
}

SEC("tp_btf/sock_send_length")
int BPF_PROG(cvf_send, struct sock* sk) {
    return used(ctx, sk);
}

SEC("tp_btf/sock_recv_length")
int BPF_PROG(cvf_receive, struct sock* sk) {
    return used(ctx, sk);
}

/* The same before 6.3, which brought those two: where the kernel can trace functions, at every call; the waiting reader of a
 * shared socket is not yet its user, so reading counts when it has succeeded. The agent loads them only where they are needed. */

SEC("?fentry/inet_sendmsg")
int BPF_PROG(cvf_send4, struct socket* socket) {
    return used(ctx, socket->sk);
}

SEC("?fentry/inet6_sendmsg")
int BPF_PROG(cvf_send6, struct socket* socket) {
    return used(ctx, socket->sk);
}

SEC("?fentry/inet_sendpage")
int BPF_PROG(cvf_sendpage, struct socket* socket) {
    return used(ctx, socket->sk);
}

SEC("?fexit/inet_recvmsg")
int BPF_PROG(cvf_receive4, struct socket* socket, struct msghdr* message, __u64 size, int flags, int result) {
    return result >= 0 ? used(ctx, socket->sk) : 0;
}

SEC("?fexit/inet6_recvmsg")
int BPF_PROG(cvf_receive6, struct socket* socket, struct msghdr* message, __u64 size, int flags, int result) {
    return result >= 0 ? used(ctx, socket->sk) : 0;
}

/* Where it cannot: a TCP socket's reader, after each read. */
SEC("?tp_btf/tcp_rcv_space_adjust")
int BPF_PROG(cvf_read, struct sock* sk) {
    return used(ctx, sk);
}
