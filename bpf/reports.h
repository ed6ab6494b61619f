/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Iterators, which run in the agent when it reads them: who holds the sockets that are there, and every socket's and peer's
 * report.
 */
#pragma once

#include "owners.h"
#include "peers.h"

/* Cgroups of the sub-tree, for the iterator, which meets every socket of the host. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 16384);
    __type(key, __u64);
    __type(value, __u8);
} subtree_ids SEC(".maps");

/* Unconnected sockets that have been closed, until the agent has heard of their peers. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 4096);
    __type(key, __u64);
    __type(value, __u8);
} released SEC(".maps");

/* Gives every socket that a process holds a state and an owner: of several holders the youngest. */
SEC("iter/task_file")
int cvf_holders(struct bpf_iter__task_file* ctx) {
    struct task_struct* task = ctx->task;
    struct file* file = ctx->file;
    own_pid = bpf_get_current_pid_tgid() >> 32;
    if (!task || !file || task->pid != task->tgid) return 0;
    struct socket* socket = bpf_sock_from_file(file);
    if (!socket) return 0;
    struct sock* sk = socket->sk;
    if (!sk) return 0;
    __u16 family = sk->__sk_common.skc_family;
    if (family != AF_INET && family != AF_INET6) return 0;
    if (subtree) {
        __u64 id = sk->sk_cgrp_data.cgroup->kn->id;
        if (!bpf_map_lookup_elem(&subtree_ids, &id)) return 0;
    }
    struct state* s = bpf_sk_storage_get(&sockets, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
    if (!s) {
        count(CVF_C_UNTRACKED);
        return 0;
    }
    if (s->owner.pid && s->holder_start >= task->start_boottime) return 0;
    if (s->owner.pid && !s->holder_start) return 0; /* known by better means */
    s->holder_start = task->start_boottime;
    if (!s->cookie) {
        s->cookie = bpf_get_socket_cookie(sk);
        set(s, CVF_S_EXISTED);
        s->netns = sk->__sk_common.skc_net.net->ns.inum;
        s->first = bpf_ktime_get_ns();
    }
    s->owner.pid = task->tgid;
    s->owner.uid = task->cred->uid.val;
    s->owner.gid = task->cred->gid.val;
    s->owner.cgroup_id = task->cgroups->dfl_cgrp->kn->id;
    bpf_core_read(s->owner.comm, sizeof s->owner.comm, &task->comm);
    if (s->owner.pid == own_pid)
        set(s, CVF_S_OWN);
    else
        clear(s, CVF_S_OWN);
    return 0;
}

/* The selector of now upon a socket that may have been judged by another. What has changed: 0; CVF_S_PASSED_OVER, then what has
 * been counted is to be told and forgotten; CVF_S_TAKEN_UP, then it goes on like one that is older than the agent. Packets never
 * change the mind about a connection, so that both ends' are found together here. */
static __always_inline __u32 revise(struct state* s, const struct cvf_tuple* t, bool stream) {
    __u32 selector = control.selector, flags = s->flags;
    if (!selector && !(flags & CVF_S_PASSED_OVER)) return 0;
    if (!selector || selected(t, selector)) {
        if (!(flags & CVF_S_PASSED_OVER)) return 0;
        if (!stream || t->state == TCP_CLOSE) {
            clear(s, CVF_S_PASSED_OVER); /* met at its next packet */
            return 0;
        }
        s->first = bpf_ktime_get_ns();
        set(s, CVF_S_MET); /* before the other: a packet that comes between finds one of them */
        clear(s, CVF_S_PASSED_OVER);
        return CVF_S_TAKEN_UP;
    }
    if (flags & CVF_S_PASSED_OVER) return 0;
    /* A datagram socket that has not been met is judged at a packet, and a new one has yet to connect. */
    if (!(flags & CVF_S_MET) && (!stream || t->state == TCP_CLOSE)) return 0;
    pass_over(s);
    return flags & CVF_S_MET ? CVF_S_PASSED_OVER : 0;
}

/* It is not met any more. Its role and its owner stay true. */
static __always_inline void start_afresh(struct state* s) {
    clear(s, CVF_S_MET | CVF_S_ELSEWHERE);
    s->peer_cookie = 0;
    s->isn_in = 0;
    __builtin_memset(s->ways, 0, sizeof s->ways);
}

/* Every socket's report. */
SEC("iter/bpf_sk_storage_map")
int cvf_reports(struct bpf_iter__bpf_sk_storage_map* ctx) {
    struct sock* sk = ctx->sk;
    struct state* s = ctx->value;
    if (!sk || !s || !s->cookie || s->flags & CVF_S_CLOSED) return 0;
    struct cvf_report r = {};
    tuple_of_sock(&r.socket.tuple, sk);
    bool stream = sk->sk_protocol == PROTOCOL_TCP && sk->sk_type == 1;
    if (stream) set(s, CVF_S_TCP);
    if (stream && r.socket.tuple.state == TCP_LISTEN) set(s, CVF_S_LISTENER);
    __u32 change = 0;
    if (r.socket.tuple.remote_port && !(stream && r.socket.tuple.state == TCP_LISTEN))
        change = revise(s, &r.socket.tuple, stream);
    if (!(s->flags & (CVF_S_MET | CVF_S_PASSED_OVER))) {
        /* Older than the agent: from now on it is met. */
        if (stream && r.socket.tuple.state != TCP_LISTEN && r.socket.tuple.state != TCP_CLOSE && s->flags & CVF_S_EXISTED)
            set(s, CVF_S_MET);
    }
    if (!control.report_all && !change && bpf_jiffies64() - s->last_jiffies >= control.active) return 0;
    report_of(&r, s);
    if (change & CVF_S_PASSED_OVER) start_afresh(s);
    r.socket.flags |= change;
    struct tcp_sock* tp = bpf_skc_to_tcp_sock(sk);
    if (tp) tcp_numbers(&r.tcp, tp);
    head_of(&r.socket.event, s, CVF_REPORT, bpf_ktime_get_ns());
    bpf_seq_write(ctx->meta->seq, &r, sizeof r);
    return 0;
}

/* Every peer's report. */
SEC("iter/bpf_map_elem")
int cvf_peer_reports(struct bpf_iter__bpf_map_elem* ctx) {
    struct cvf_peer_key* key = ctx->key;
    struct state* s = ctx->value;
    if (!key || !s) return 0;
    __u32 selector = control.selector;
    struct cvf_report r = {};
    __builtin_memcpy(r.socket.tuple.local, key->local, 32);
    r.socket.tuple.local_port = key->local_port;
    r.socket.tuple.remote_port = key->remote_port;
    r.socket.tuple.family = key->family;
    r.socket.tuple.protocol = key->protocol;
    bool passed_over = selector && !selected(&r.socket.tuple, selector);
    if (!control.report_all && !passed_over) {
        __u64 age = bpf_jiffies64() - s->last_jiffies, cookie = key->cookie;
        if (age >= control.active && age < control.idle && !bpf_map_lookup_elem(&released, &cookie)) return 0;
    }
    report_of(&r, s);
    if (passed_over) r.socket.flags |= CVF_S_PASSED_OVER; /* the agent removes it */
    head_of(&r.socket.event, s, CVF_REPORT, bpf_ktime_get_ns());
    bpf_seq_write(ctx->meta->seq, &r, sizeof r);
    return 0;
}
