/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The kernel's types as far as the programs touch them. Offsets and sizes are relocated to the running kernel at load (CO-RE), so
 * only names and kinds matter here, and a builder needs no BTF of any kernel. */
#pragma once

#include <linux/bpf.h>
#include <linux/types.h>
#include <stdbool.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define AF_INET 2
#define AF_INET6 10
#define PROTOCOL_ICMP 1
#define PROTOCOL_TCP 6
#define PROTOCOL_UDP 17
#define PROTOCOL_ICMPV6 58
#define PROTOCOL_UDPLITE 136
#define PROTOCOL_MPTCP 262

enum cvf_tcp_state {
    TCP_ESTABLISHED = 1,
    TCP_SYN_SENT,
    TCP_SYN_RECV,
    TCP_FIN_WAIT1,
    TCP_FIN_WAIT2,
    TCP_TIME_WAIT,
    TCP_CLOSE,
    TCP_CLOSE_WAIT,
    TCP_LAST_ACK,
    TCP_LISTEN,
    TCP_CLOSING,
    TCP_NEW_SYN_RECV
};

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

/* Sockets. */
struct ns_common {
    unsigned int inum;
};
struct net {
    struct ns_common ns;
};
typedef struct {
    struct net* net;
} possible_net_t;
struct in6_addr {
    union {
        __u8 u6_addr8[16];
    } in6_u;
};
typedef struct {
    long long counter;
} atomic64_t;
typedef struct {
    int counter;
} atomic_t;

struct sock_common {
    __be32 skc_daddr;
    __be32 skc_rcv_saddr;
    __be16 skc_dport;
    __u16 skc_num;
    unsigned short skc_family;
    volatile unsigned char skc_state;
    possible_net_t skc_net;
    struct in6_addr skc_v6_daddr;
    struct in6_addr skc_v6_rcv_saddr;
    atomic64_t skc_cookie;
};
struct kernfs_node {
    __u64 id;
};
struct cgroup {
    struct kernfs_node* kn;
};
struct sock_cgroup_data {
    struct cgroup* cgroup;
};
struct sock {
    struct sock_common __sk_common;
    __u16 sk_type;
    __u16 sk_protocol;
    struct sock_cgroup_data sk_cgrp_data;
};
struct inet_sock {
    __be16 inet_sport;
};
struct socket {
    struct sock* sk;
};
struct minmax_sample {
    __u32 t;
    __u32 v;
};
struct minmax {
    struct minmax_sample s[3];
};
struct tcp_options_received {
    __u16 tstamp_ok : 1;
    __u16 snd_wscale : 4;
    __u16 rcv_wscale : 4;
};
struct tcp_sock {
    __u32 srtt_us;
    struct minmax rtt_min;
    __u32 total_retrans;
    __u32 reord_seen;
    __u16 advmss;
    __u32 snd_nxt, rcv_nxt;
    __u64 bytes_sent, bytes_received;
    struct tcp_options_received rx_opt;
};
struct mptcp_sock;

/* Packets that were dropped. */
struct sk_buff {
    unsigned char* head;
    __u16 network_header, transport_header;
    __be16 protocol;
    struct sock* sk;
    unsigned int len;
    int skb_iif;
};

/* Processes. */
typedef struct {
    __u32 val;
} kuid_t;
typedef struct {
    __u32 val;
} kgid_t;
struct cred {
    kuid_t uid;
    kgid_t gid;
};
struct signal_struct {
    atomic_t live;
};
struct css_set {
    struct cgroup* dfl_cgrp;
};
struct task_struct {
    unsigned int flags;
    int pid, tgid;
    struct task_struct* group_leader;
    struct task_struct* real_parent;
    const struct cred* cred;
    struct signal_struct* signal;
    struct css_set* cgroups;
    __u64 start_boottime;
    int exit_code;
    char comm[16];
};
struct linux_binprm {
    const char* filename;
};
struct file;
struct msghdr;

/* Iterators. */
struct seq_file;
struct bpf_iter_meta {
    struct seq_file* seq;
    __u64 session_id;
    __u64 seq_num;
};
struct bpf_iter__task_file {
    struct bpf_iter_meta* meta;
    struct task_struct* task;
    __u32 fd;
    struct file* file;
};
struct bpf_iter__bpf_sk_storage_map {
    struct bpf_iter_meta* meta;
    struct bpf_map* map;
    struct sock* sk;
    void* value;
};
struct bpf_iter__bpf_map_elem {
    struct bpf_iter_meta* meta;
    struct bpf_map* map;
    void* key;
    void* value;
};

#pragma clang attribute pop
