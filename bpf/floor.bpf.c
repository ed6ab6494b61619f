/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Programs that do nothing: what the kernel's own call and its timing cost. For bench/endpoint.sh only. */
#include "kernel.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("cgroup_skb/egress")
int floor_egress(struct __sk_buff* skb) {
    return 1;
}

SEC("cgroup_skb/ingress")
int floor_ingress(struct __sk_buff* skb) {
    return 1;
}

SEC("cgroup/sock_create")
int floor_create(struct bpf_sock* sk) {
    return 1;
}

SEC("cgroup/sock_release")
int floor_release(struct bpf_sock* sk) {
    return 1;
}

SEC("sockops")
int floor_sockops(struct bpf_sock_ops* ctx) {
    return 1;
}

SEC("tp_btf/sock_send_length")
int BPF_PROG(floor_send, struct sock* sk) {
    return 0;
}

SEC("tp_btf/sock_recv_length")
int BPF_PROG(floor_receive, struct sock* sk) {
    return 0;
}

SEC("tp_btf/tcp_destroy_sock")
int BPF_PROG(floor_destroy, struct sock* sk) {
    return 0;
}

SEC("tp_btf/kfree_skb")
int BPF_PROG(floor_drop, const struct sk_buff* skb) {
    return 0;
}
