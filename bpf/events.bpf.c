/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What happens to processes and, besides their packets, to TCP connections: exec, fork, exit; retransmissions, resets, failed or
 * refused connections, drops with the kernel's reason. Shares the maps of socket.h with the endpoint tap, which loads before. */
#include "socket.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

const volatile __u32 subtree = 0;         /* 1: only sockets that the endpoint tap knows */
const volatile __u32 watch_self = 0;      /* 1: the agent's own sockets, too */
const volatile __u32 drops_second = 100;  /* drop events a second and CPU */
const volatile __u32 overflow_reason = 0; /* skb_drop_reason of a full accept queue, where the kernel tells one */

const volatile __u32 last_unsaid =
    2; /* NOT_SPECIFIED, which is 1 on 6.1: up to it the reasons say that nothing was dropped, or not why */
const volatile __u32 quiet_reason = 0; /* QUEUE_PURGE: what a closed socket had still in hand */

/* Whether nobody wants to hear of this socket. */
static __always_inline bool is_hidden(const struct state* s) {
    return s->flags & CVF_S_PASSED_OVER || (s->flags & CVF_S_OWN && !watch_self);
}

/* TCP */

static __always_inline void tell_tcp(void* ctx, const struct sock* csk, __u8 kind, __u8 old_state, __u8 state) {
    struct sock* sk = (struct sock*)csk;
    struct cvf_tcp_event e = {};
    struct state* s = bpf_sk_storage_get(&sockets, sk, 0, 0);
    if (s && is_hidden(s)) return;
    if (!s && subtree) return;
    if (s) {
        e.event.cookie = s->cookie;
        e.owner = s->owner;
    }
    e.event.netns = s && s->netns ? s->netns : sk->__sk_common.skc_net.net->ns.inum;
    e.event.time = bpf_ktime_get_ns();
    e.event.type = CVF_TCP;
    tuple_of_sock(&e.tuple, sk);
    e.kind = kind;
    e.old_state = old_state;
    e.new_state = state;
    /* A socket that has failed has given its port back already. */
    if (!e.tuple.local_port) {
        __be16 port = 0;
        bpf_core_read(&port, sizeof port, &((struct inet_sock*)sk)->inet_sport);
        e.tuple.local_port = bpf_ntohs(port);
    }
    send(&e);
}

SEC("tp_btf/tcp_retransmit_skb")
int BPF_PROG(cvf_retransmit, const struct sock* sk, const struct sk_buff* skb) {
    if (sk) tell_tcp(ctx, sk, CVF_RETRANSMIT, 0, sk->__sk_common.skc_state);
    return 0;
}

SEC("tp_btf/tcp_receive_reset")
int BPF_PROG(cvf_reset_received, struct sock* sk) {
    if (sk) tell_tcp(ctx, sk, CVF_RESET_RECEIVED, 0, sk->__sk_common.skc_state);
    return 0;
}

/* The addresses of a packet, as an event of the end that has sent it or, else, of that which receives it (`local` is its
 * destination then). False: not IP. */
static __always_inline bool tuple_of_packet(struct cvf_tuple* t, const struct sk_buff* skb, bool sent) {
    __u8 *from = sent ? t->local : t->remote, *to = sent ? t->remote : t->local;
    __u8 h[40] = {};
    unsigned char* network = skb->head + skb->network_header;
    __u32 header = 40;
    if (bpf_probe_read_kernel(h, 20, network)) return false;
    if (h[0] >> 4 == 4) {
        t->family = 4;
        t->protocol = h[9];
        header = (h[0] & 15) * 4;
        __builtin_memcpy(from, h + 12, 4);
        __builtin_memcpy(to, h + 16, 4);
    } else if (h[0] >> 4 == 6) {
        if (bpf_probe_read_kernel(h, 40, network)) return false;
        t->family = 6;
        t->protocol = h[6];
        __builtin_memcpy(from, h + 8, 16);
        __builtin_memcpy(to, h + 24, 16);
    } else {
        return false;
    }
    if (t->protocol == PROTOCOL_TCP || t->protocol == PROTOCOL_UDP || t->protocol == PROTOCOL_UDPLITE) {
        __be16 ports[2] = {};
        bpf_probe_read_kernel(ports, sizeof ports, network + header);
        t->local_port = bpf_ntohs(sent ? ports[0] : ports[1]);
        t->remote_port = bpf_ntohs(sent ? ports[1] : ports[0]);
    }
    return true;
}

/* Without a socket of its own the reset answers a packet to a closed port. */
SEC("tp_btf/tcp_send_reset")
int BPF_PROG(cvf_reset_sent, const struct sock* sk, const struct sk_buff* skb) {
    if (sk) {
        tell_tcp(ctx, sk, CVF_RESET_SENT, 0, sk->__sk_common.skc_state);
        return 0;
    }
    if (!skb || subtree) return 0;
    struct cvf_tcp_event e = {};
    if (!tuple_of_packet(&e.tuple, skb, false)) return 0;
    e.event.time = bpf_ktime_get_ns();
    e.event.type = CVF_TCP;
    e.kind = CVF_RESET_SENT;
    send(&e);
    return 0;
}

/* A connection that comes to nothing: the error is told of a socket that had never an answer. What begins and ends listening the
 * endpoint tap tells. */
SEC("tp_btf/inet_sk_error_report")
int BPF_PROG(cvf_failed, struct sock* sk) {
    /* Without the other end's port the failure has been told already: the socket is being made ready for another attempt. */
    if (!sk || sk->sk_protocol != PROTOCOL_TCP || !sk->__sk_common.skc_dport) return 0;
    __u8 state = sk->__sk_common.skc_state;
    if (state != TCP_SYN_SENT && state != TCP_CLOSE) return 0;
    struct tcp_sock* tp = bpf_skc_to_tcp_sock(sk);
    if (!tp || tp->rcv_nxt) return 0;
    tell_tcp(ctx, sk, CVF_STATE, TCP_SYN_SENT, TCP_CLOSE);
    return 0;
}

/* The same before 5.14, which brought that one; it runs at each change of each state. Loaded only where it is needed. */
SEC("?tp_btf/inet_sock_set_state")
int BPF_PROG(cvf_state, const struct sock* sk, int old_state, int new_state) {
    if (!sk || sk->sk_protocol != PROTOCOL_TCP) return 0;
    if (new_state == TCP_CLOSE && old_state == TCP_SYN_SENT) tell_tcp(ctx, sk, CVF_STATE, old_state, new_state);
    return 0;
}

struct bucket {
    __u64 second;
    __u32 used;
};
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct bucket);
} buckets SEC(".maps");

static __always_inline bool may_tell_drop(void) {
    __u32 zero = 0;
    struct bucket* b = bpf_map_lookup_elem(&buckets, &zero);
    if (!b) return false;
    __u64 second = bpf_ktime_get_ns() >> 30;
    if (b->second != second) {
        b->second = second;
        b->used = 0;
    }
    if (b->used >= drops_second) {
        count(CVF_C_DROPS_UNSAID);
        return false;
    }
    b->used++;
    return true;
}

SEC("tp_btf/kfree_skb")
int BPF_PROG(cvf_drop, const struct sk_buff* skb, void* location, unsigned int reason) {
    if (reason <= last_unsaid || reason == quiet_reason || !skb) return 0;
    __u16 protocol = bpf_ntohs(skb->protocol);
    if (protocol != 0x0800 && protocol != 0x86dd) return 0;
    struct cvf_tcp_event e = {};
    struct sock* sk = skb->sk;
    bool sent = sk && !skb->skb_iif; /* no device has brought it */
    if (sk) {
        struct state* s = bpf_sk_storage_get(&sockets, sk, 0, 0);
        if (s && is_hidden(s)) return 0;
        if (s) {
            e.event.cookie = s->cookie;
            e.event.netns = s->netns;
            e.owner = s->owner;
        }
    }
    if (subtree && !e.event.cookie) return 0;
    if (!tuple_of_packet(&e.tuple, skb, sent)) return 0;
    if (!may_tell_drop()) return 0;
    e.event.egress = sent;
    e.event.time = bpf_ktime_get_ns();
    e.event.type = CVF_TCP;
    e.kind = reason == overflow_reason ? CVF_LISTEN_OVERFLOW : CVF_DROP;
    e.reason = reason;
    send(&e);
    return 0;
}

/* Processes */

static __always_inline void process_of(struct cvf_process_event* e, struct task_struct* task, __u8 kind) {
    __builtin_memset(e, 0, sizeof *e);
    e->event.time = bpf_ktime_get_ns();
    e->event.type = CVF_PROCESS;
    e->kind = kind;
    e->pid = task->tgid;
    e->parent_pid = task->real_parent->tgid;
    e->uid = task->cred->uid.val;
    e->gid = task->cred->gid.val;
    e->start = task->group_leader->start_boottime;
    e->exit_code = task->exit_code;
    e->cgroup_id = task->cgroups->dfl_cgrp->kn->id;
    bpf_core_read(&e->comm, sizeof e->comm, &task->group_leader->comm);
}

static __always_inline void tell_process(struct task_struct* task, __u8 kind) {
    struct cvf_process_event e;
    process_of(&e, task, kind);
    send(&e);
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(cvf_exec, struct task_struct* task, int old_pid, struct linux_binprm* binprm) {
    struct room room;
    if (!reserve(&room, sizeof(struct cvf_process_event) + CVF_FILENAME_MOST)) return 0;
    struct cvf_process_event* e = (void*)(room.record + 8);
    process_of(e, task, 1);
    long n = bpf_probe_read_kernel_str(e + 1, CVF_FILENAME_MOST, binprm->filename);
    e->filename_length = n > 1 ? n - 1 : 0;
    commit(&room, sizeof *e + CVF_FILENAME_MOST);
    return 0;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(cvf_fork, struct task_struct* parent, struct task_struct* child) {
    if (child->pid == child->tgid) tell_process(child, 0); /* else a thread */
    return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(cvf_exit, struct task_struct* task) {
    if (!task->signal->live.counter) tell_process(task, 2); /* its last thread */
    return 0;
}
