/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What is kept of a socket, where, and how it is told.
 *
 * It is one storage, and never cloned: a clone is charged to the accepted socket, and where that fails the kernel drops the
 * connection. Without it the worst that little memory does is that a socket is not seen (and counted as that). An accepted
 * socket's state is made when its handshake ends; its owner is who reads, writes or closes it first. */
#pragma once

#include "ring.h"

/* One direction of a socket. */
struct way {
    __u64 packets, bytes;
    __u64 position;     /* stream offset behind the highest byte seen */
    __u64 begin;        /* stream offset where this turn began */
    __u32 next;         /* TCP: the sequence number at `position` */
    __u16 zero_windows; /* how often it closed or opened its window: odd while it is closed */
    __u8 known;         /* `next` is known, as of control.payload then; 0: it is not */
    __u8 turn;          /* it has sent the newest data */
};

/* A socket, or one peer of an unconnected one. Members that a packet changes are each of its direction, or stores that nobody
 * reads to write them. */
struct state {
    __u64 cookie; /* 0: nothing below is filled in */
    __u64 first;
    __u64 last_jiffies;
    __u64 peer_cookie, parent_cookie;
    __u32 flags; /* by set() and clear() alone: contexts that run at once change it */
    __u32 netns;
    __u32 remote_tag;   /* datagrams: to whom it was connected when it was met */
    __u32 isn_in;       /* an accepted connection: the opener's initial sequence number */
    __u64 holder_start; /* the owner is a holder found at start: when that process began */
    struct way ways[2]; /* by egress */
    struct cvf_owner owner;
};
/* The kernel puts 72 bytes before it: just what 256 hold. One more, and each socket would cost 512. */
_Static_assert(sizeof(struct state) == 256 - 72, "a socket's state has grown");

struct {
    __uint(type, BPF_MAP_TYPE_SK_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, int);
    __type(value, struct state);
} sockets SEC(".maps");

#ifdef CVF_PLAIN_ATOMICS
/* Where the kernel has no atomic or (before 5.12), a bit may be lost in a race of two packets. */
static __always_inline void set(struct state* s, __u32 flags) {
    s->flags |= flags;
}
static __always_inline void clear(struct state* s, __u32 flags) {
    s->flags &= ~flags;
}
#else
static __always_inline void set(struct state* s, __u32 flags) {
    __sync_fetch_and_or(&s->flags, flags);
}
static __always_inline void clear(struct state* s, __u32 flags) {
    __sync_fetch_and_and(&s->flags, ~flags);
}
#endif

__u32 own_pid = 0; /* the agent, in the first pid namespace: set by the iterator, which runs in it */

/* The namespace's inode, of a socket that the kernel's types describe. */
static __always_inline __u32 netns_of_tcp(struct tcp_sock* tp) {
    return ((struct sock*)tp)->__sk_common.skc_net.net->ns.inum;
}

/* The same of any socket. The pointer is a kernel address in every program type, but the verifier lets nobody reckon with it
 * where it is a UAPI socket; so the socket's first bytes are copied, and the member is found in the copy. */
static __always_inline __u32 netns_of(const void* sk) {
    struct sock_common* common = 0;
    struct net* net = 0;
    __u8 head[96];
    __u32 inum = 0, at = bpf_core_field_offset(common->skc_net.net);
    if (at > sizeof head - sizeof net || bpf_probe_read_kernel(head, sizeof head, sk)) return 0;
    __builtin_memcpy(&net, head + at, sizeof net);
    if (net) bpf_core_read(&inum, sizeof inum, &net->ns.inum);
    return inum;
}

#define PF_KTHREAD 0x00200000

/* Makes the process that runs now the owner. True when that is news to be told. It is read from its task: the helpers that name
 * it are not there for every kind of program before 6.16, the task is. The name is the process's, not the thread's (io_uring
 * workers are threads). A kernel thread is nobody's process: it becomes the owner only where `threads` says so, and never of what
 * a process owns. */
static __always_inline bool own(struct state* s, bool threads) {
    struct cvf_owner* owner = &s->owner;
    struct task_struct* leader = 0;
    __u32 pid = 0, flags = 0;
    /* Typed reads cost a tenth of the others. Any kind of program may have the typed task since 5.15, which brought this helper
     * too.
     */
    if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs)) {
        struct task_struct* task = bpf_get_current_task_btf();
        pid = task->tgid;
        flags = task->flags;
        if (!pid || owner->pid == pid || (flags & PF_KTHREAD && (!threads || owner->pid))) return false;
        owner->uid = task->cred->uid.val;
        owner->gid = task->cred->gid.val;
        owner->cgroup_id = task->cgroups->dfl_cgrp->kn->id;
        leader = task->group_leader;
    } else {
        struct task_struct* task = (struct task_struct*)bpf_get_current_task();
        bpf_core_read(&pid, sizeof pid, &task->tgid);
        bpf_core_read(&flags, sizeof flags, &task->flags);
        if (!pid || owner->pid == pid || (flags & PF_KTHREAD && (!threads || owner->pid))) return false;
        owner->uid = BPF_CORE_READ(task, cred, uid.val);
        owner->gid = BPF_CORE_READ(task, cred, gid.val);
        owner->cgroup_id = BPF_CORE_READ(task, cgroups, dfl_cgrp, kn, id);
        bpf_core_read(&leader, sizeof leader, &task->group_leader);
    }
    owner->pid = pid;
    bpf_core_read(&owner->comm, sizeof owner->comm, &leader->comm);
    if (pid == own_pid)
        set(s, CVF_S_OWN);
    else
        clear(s, CVF_S_OWN);
    return true;
}

static __always_inline void tuple_of_sock(struct cvf_tuple* t, struct sock* sk) {
    t->state = sk->__sk_common.skc_state;
    t->protocol = sk->sk_protocol == PROTOCOL_MPTCP ? PROTOCOL_TCP : (__u8)sk->sk_protocol;
    t->local_port = sk->__sk_common.skc_num;
    t->remote_port = bpf_ntohs(sk->__sk_common.skc_dport);
    if (sk->__sk_common.skc_family == AF_INET6) {
        t->family = 6;
        bpf_core_read(t->local, 16, &sk->__sk_common.skc_v6_rcv_saddr);
        bpf_core_read(t->remote, 16, &sk->__sk_common.skc_v6_daddr);
    } else {
        t->family = 4;
        *(__be32*)t->local = sk->__sk_common.skc_rcv_saddr;
        *(__be32*)t->remote = sk->__sk_common.skc_daddr;
    }
}

static __always_inline void tcp_numbers(struct cvf_tcp_numbers* n, struct tcp_sock* tp) {
    n->has_tcp = 1;
    n->bytes_sent = tp->bytes_sent;
    n->bytes_received = tp->bytes_received;
    n->srtt_us = tp->srtt_us >> 3;
    n->min_rtt_us = tp->rtt_min.s[0].v;
    n->retransmits = tp->total_retrans;
    if (bpf_core_field_exists(tp->reord_seen)) n->reordering_seen = tp->reord_seen;
    /* As announced: the kernel takes off what its time stamps will need. */
    n->mss = tp->advmss + (BPF_CORE_READ_BITFIELD(tp, rx_opt.tstamp_ok) ? 12 : 0);
    n->snd_nxt = tp->snd_nxt;
    n->rcv_nxt = tp->rcv_nxt;
    n->send_window_scale = BPF_CORE_READ_BITFIELD(tp, rx_opt.snd_wscale);
    n->receive_window_scale = BPF_CORE_READ_BITFIELD(tp, rx_opt.rcv_wscale);
}

static __always_inline void head_of(struct cvf_event* e, const struct state* s, __u8 type, __u64 time) {
    e->time = time;
    e->cookie = s->cookie;
    e->type = type;
    e->netns = s->netns;
}

/* All but the tuple and the event's head. */
static __always_inline void opened_of(struct cvf_opened* o, const struct state* s) {
    o->owner = s->owner;
    o->peer_cookie = s->peer_cookie;
    o->parent_cookie = s->parent_cookie;
    o->flags = s->flags;
    o->isn_in = s->isn_in;
}

/* Tells whose the socket is now. */
static __always_inline void tell_owner(const struct state* s, __u64 cookie, __u64 time) {
    struct cvf_owner_event e = {};
    head_of(&e.event, s, CVF_OWNER, time);
    e.event.cookie = cookie;
    e.owner = s->owner;
    e.flags = s->flags;
    send(&e);
}

static __always_inline void report_of(struct cvf_report* r, const struct state* s) {
    opened_of(&r->socket, s);
    r->packets_out = s->ways[1].packets;
    r->bytes_out = s->ways[1].bytes;
    r->packets_in = s->ways[0].packets;
    r->bytes_in = s->ways[0].bytes;
    r->first = s->first;
    r->last_jiffies = s->last_jiffies;
    r->now_jiffies = bpf_jiffies64();
    r->tcp.zero_windows_out = (s->ways[1].zero_windows + 1) / 2;
    r->tcp.zero_windows_in = (s->ways[0].zero_windows + 1) / 2;
}
