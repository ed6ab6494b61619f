/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The endpoint tap: counts every packet of every local socket, sends as much payload as is wanted, knows each socket's owner.
 *
 * A packet's way: cvf_egress or cvf_ingress -> packet() -> the socket's state (or, for an unconnected one, its peer's) ->
 * counters -> payload.h. Sockets are met (told to the agent) at their first packet; accepted ones when their handshake ends. A
 * TCP socket costs nothing before it connects, listens or is accepted. */
#include "payload.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

const volatile __u32 jiffies_per_second = 1000;
const volatile __u32 subtree = 0;       /* 1: only sockets of the cgroups in subtree_ids are ours */
const volatile __u32 own_at_create = 0; /* 1: no sockops program names the owner of TCP sockets when they connect or listen */

/* Cgroups of the sub-tree, for the iterator, which meets every socket of the host. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 16384);
    __type(key, __u64);
    __type(value, __u8);
} subtree_ids SEC(".maps");

/* The peers of unconnected sockets, and of the kernel's own sockets for ICMP and resets. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 65536);
    __type(key, struct cvf_peer_key);
    __type(value, struct state);
} peers SEC(".maps");

/* Unconnected sockets that have been closed, until the agent has heard of their peers. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 4096);
    __type(key, __u64);
    __type(value, __u8);
} released SEC(".maps");

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

/* Who was here first, found by what both ends know: `tag`. */
struct meeting {
    __u64 tag, cookie, jiffies;
};

/* A TCP connection in the making. Both ends find it by the opener's initial sequence number, which survives address translation;
 * a collision loses a count or a pair. One cache line, for it is cold whenever it is needed. */
struct opening {
    /* The opener's, when it is here: its tag is of its own number first, and of both numbers once it is connected. */
    struct meeting opener;
    /* What a listener saw of the handshake, until its child takes it over. */
    __u64 first;
    __u32 isn, netns;
    __u32 packets_in, bytes_in, packets_out, bytes_out;
    __u64 listener; /* its cookie, with OPENER_IS_HERE where that one tells the packets */
};
#define OPENER_IS_HERE CVF_SYNTHETIC
#define OPENINGS 16384
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, OPENINGS);
    __type(key, __u32);
    __type(value, struct opening);
} openings SEC(".maps");

/* Of datagrams the end met first, by the tuple; believed for a second only. */
#define MEETINGS 16384
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, MEETINGS);
    __type(key, __u32);
    __type(value, struct meeting);
} meetings SEC(".maps");

static __always_inline __u64 mixed(__u64 h, __u64 v) {
    h = (h ^ v) * 0x9E3779B97F4A7C15ULL;
    return h ^ h >> 29;
}

static __always_inline struct meeting* meeting_at(__u64 tag) {
    __u32 i = (__u32)(tag >> 40) & (MEETINGS - 1);
    return bpf_map_lookup_elem(&meetings, &i);
}

static __always_inline void met_first(struct meeting* m, __u64 tag, __u64 cookie) {
    if (!m) return;
    m->tag = 0;
    m->cookie = cookie;
    m->jiffies = bpf_jiffies64();
    m->tag = tag;
}

static __always_inline __u64 who_met(const struct meeting* m, __u64 tag, __u64 seconds) {
    if (!m || m->tag != tag || bpf_jiffies64() - m->jiffies > seconds * jiffies_per_second) return 0;
    return m->cookie;
}

static __always_inline struct opening* opening_at(__u32 isn) {
    __u32 i = (isn ^ isn >> 15) & (OPENINGS - 1);
    return bpf_map_lookup_elem(&openings, &i);
}

static __always_inline __u64 opener_tag(__u32 isn) {
    return mixed(0x09e2, isn) | 1;
}

static __always_inline __u64 isn_tag(__u32 opener, __u32 accepter) {
    return mixed(0x5ec1, (__u64)opener << 32 | accepter) | 1;
}

static __always_inline __u64 end_tag(const __u8* from, __u16 from_port, const __u8* to, __u16 to_port, __u8 protocol) {
    __u64 h = mixed((__u64)protocol << 32 | (__u64)from_port << 16 | to_port, *(__u64*)from);
    h = mixed(h, *(__u64*)(from + 8));
    h = mixed(h, *(__u64*)to);
    return mixed(h, *(__u64*)(to + 8)) | 1;
}

/* A loopback address means another place in each namespace: the namespace, then; else 0. */
static __always_inline __u64 place(const struct cvf_tuple* t, __u32 netns) {
    const __u8* a = t->remote;
    if (t->family == 4) return a[0] == 127 ? netns : 0;
    const __u64* half = (const __u64*)a;
    if (half[0]) return 0;
    return half[1] == bpf_cpu_to_be64(1) ||
                   (half[1] & bpf_cpu_to_be64(0xffffffffff000000ULL)) == bpf_cpu_to_be64(0xffff7f000000ULL)
               ? netns
               : 0;
}

/* Finds the other end of a datagram conversation, or leaves word for it. */
static __always_inline void meet_datagram(struct state* s, const struct cvf_tuple* t) {
    __u64 here = place(t, s->netns) << 1; /* a tag has its lowest bit set, always */
    __u64 tag = end_tag(t->remote, t->remote_port, t->local, t->local_port, t->protocol) ^ here;
    __u64 peer = who_met(meeting_at(tag), tag, 1);
    if (peer && peer != s->cookie) {
        s->peer_cookie = peer;
        set(s, CVF_S_ELSEWHERE);
    } else {
        tag = end_tag(t->local, t->local_port, t->remote, t->remote_port, t->protocol) ^ here;
        met_first(meeting_at(tag), tag, s->cookie);
    }
}

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

/* A socket met at a packet: fills in what is not known yet. Null: no memory. */
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
            if (egress && parse_tcp(skb, &g) && g.flags & FLAG_SYN) {
                struct opening* o = opening_at(g.sequence);
                if (o) met_first(&o->opener, opener_tag(g.sequence), s->cookie);
            }
        } else if (!(s->flags & (CVF_S_CLIENT | CVF_S_SERVER)))
            set(s, CVF_S_EXISTED);
    } else if (!v->dst_port) {
        return s; /* unconnected: its peers are met one by one */
    } else {
        struct cvf_tuple t = {};
        tuple_of_uapi(&t, sk);
        set(s, egress ? CVF_S_CLIENT : CVF_S_SERVER);
        s->remote_tag = remote_tag(sk);
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
}

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

/* The state of one peer of the unconnected socket `parent`. Null: not an IP packet to be read, or no room. */
static __noinline struct state* peer(struct __sk_buff* skb, struct state* parent, int egress) {
    if (!parent) return 0;
    struct cvf_peer_key key = {};
    __u8 *p = (void*)(long)skb->data, *end = (void*)(long)skb->data_end;
    __u32 header = 40;
    __u8 *from = egress ? key.local : key.remote, *to = egress ? key.remote : key.local;
    if (p + 20 > end) return 0;
    if (p[0] >> 4 == 4) {
        key.family = 4;
        key.protocol = p[9];
        header = (p[0] & 15) * 4;
        *(__u32*)from = *(__u32*)(p + 12);
        *(__u32*)to = *(__u32*)(p + 16);
    } else {
        if (p + 40 > end) return 0;
        key.family = 6;
        key.protocol = p[6];
        __builtin_memcpy(from, p + 8, 16);
        __builtin_memcpy(to, p + 24, 16);
        if (key.protocol == 0) { /* hop-by-hop options, as MLD has them */
            if (p + 42 > end) return 0;
            key.protocol = p[40];
            header = 48 + p[41] * 8;
        }
    }
    if (key.protocol == PROTOCOL_TCP || key.protocol == PROTOCOL_UDP || key.protocol == PROTOCOL_UDPLITE) {
        p += header;
        if (p + 4 > end) return 0;
        __u16 source = bpf_ntohs(*(__be16*)p), destination = bpf_ntohs(*(__be16*)(p + 2));
        key.local_port = egress ? source : destination;
        key.remote_port = egress ? destination : source;
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

/* A listener's packet belongs to the child that may come of it. When the opener is here, its packets are taken there. */
static __noinline int handshake(struct __sk_buff* skb, struct state* s, int egress) {
    if (!s) return 0;
    struct segment g;
    if (!parse_tcp(skb, &g)) return 0;
    if (g.flags & FLAG_RST) return 0;
    __u32 isn = egress ? g.acknowledgment - 1 : g.flags & FLAG_SYN ? g.sequence : g.sequence - 1;
    struct opening* o = opening_at(isn);
    if (!o) return 0;
    if (o->isn != isn || o->netns != s->netns) {
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

/* A process makes a socket. A TCP socket's owner is who connects it or listens with it, and many a one does neither. */
SEC("cgroup/sock_create")
int cvf_sock_create(struct bpf_sock* sk) {
    if (!own_at_create && sk->protocol == PROTOCOL_TCP && sk->type == 1) return 1;
    struct state* s = bpf_sk_storage_get(&sockets, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
    if (!s) return 1;
    s->cookie = bpf_get_socket_cookie(sk);
    own(s, true);
    s->owner.changes = 0;
    return 1;
}

/* A process closes a socket. TCP goes on without it: its end is tcp_destroy_sock. */
SEC("cgroup/sock_release")
int cvf_sock_release(struct bpf_sock* sk) {
    struct state* s = bpf_sk_storage_get(&sockets, sk, 0, 0);
    if (!s || !(s->flags & (CVF_S_MET | CVF_S_PEERS)) || s->flags & CVF_S_CLOSED) return 1;
    /* Accepted and never read: the owner is who closes it. */
    if (!s->owner.pid && own(s, true)) tell_owner(s, s->cookie, bpf_ktime_get_ns());
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
    s->known[0] = s->known[1] = control.payload;
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
    if (!(s->flags & CVF_S_MET)) {
        s->owner.changes = 0;
    } else if (news) {
        tell_owner(s, s->cookie, bpf_ktime_get_ns()); /* connected before, by another process */
    }
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
    /* Processes that take turns at one socket are not worth an event each. */
    __u64 now = bpf_ktime_get_ns();
    if (s->owner.changes >= 16 && (__u32)(now >> 30) == s->owner_second) return 0;
    s->owner_second = now >> 30;
    if (!s->cookie) s->cookie = bpf_get_socket_cookie(sk);
    if (!own(s, true)) return 0;
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

/* Iterators: they run in the agent, when it reads them. */

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
    if (!(s->flags & CVF_S_MET)) {
        /* Older than the agent: from now on it is met. */
        if (stream && r.socket.tuple.state != TCP_LISTEN && r.socket.tuple.state != TCP_CLOSE && s->flags & CVF_S_EXISTED)
            set(s, CVF_S_MET);
    }
    if (!control.report_all && bpf_jiffies64() - s->last_jiffies >= control.active) return 0;
    report_of(&r, s);
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
    if (!control.report_all) {
        __u64 age = bpf_jiffies64() - s->last_jiffies, cookie = key->cookie;
        if (age >= control.active && age < control.idle && !bpf_map_lookup_elem(&released, &cookie)) return 0;
    }
    struct cvf_report r = {};
    __builtin_memcpy(r.socket.tuple.local, key->local, 32);
    r.socket.tuple.local_port = key->local_port;
    r.socket.tuple.remote_port = key->remote_port;
    r.socket.tuple.family = key->family;
    r.socket.tuple.protocol = key->protocol;
    report_of(&r, s);
    head_of(&r.socket.event, s, CVF_REPORT, bpf_ktime_get_ns());
    bpf_seq_write(ctx->meta->seq, &r, sizeof r);
    return 0;
}
