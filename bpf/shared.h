/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What kernel programs and the agent both know: the events, as they lie in the buffers, and the table of verdicts.
 *
 * Times are bpf_ktime_get_ns() (monotonic). Ports are in host order. Addresses are 16 bytes, IPv4 in the first four; an
 * IPv4-mapped IPv6 address stays as it is and is unmapped by the reader. Everything is in the machine's own byte order. */
#pragma once

#include <linux/types.h>

enum cvf_event_type {
    CVF_OPENED = 1,    /* struct cvf_opened: first of its cookie */
    CVF_OWNER = 2,     /* struct cvf_owner_event: another process uses the socket */
    CVF_PAYLOAD = 3,   /* struct cvf_payload, then the packet from its IP header on */
    CVF_HANDSHAKE = 4, /* the same, of a listener: belongs to the child with this initial sequence number */
    CVF_CLOSED = 6,    /* struct cvf_report: last of its cookie */
    CVF_REPORT = 7,    /* struct cvf_report, from the iterators only */
    CVF_LISTEN = 8,    /* struct cvf_opened: the socket now listens */
    CVF_TCP = 10,      /* struct cvf_tcp_event */
    CVF_PROCESS = 11,  /* struct cvf_process_event, then the file name */
};

/* Top bit of the cookies given to what has no socket of its own: one peer of an unconnected socket. */
#define CVF_SYNTHETIC (1ULL << 63)
/* The most bytes of a packet in one event. */
#define CVF_MOST 65536

/* A CPU's buffer: mapped memory that programs write and the agent reads, with no call into the kernel by either.
 *
 * `head` and `tail` count bytes and never wrap. A record begins at data[position mod size] with one 64-bit word: its length in
 * the low half, in the high half a mark that depends on the position and a secret, written last: without the right mark the
 * record is not there yet. A record never wraps: behind `size` there is room for the longest; the next one then begins at
 * data[0]. Records are 8-byte aligned. A length with CVF_DISCARD set is to be passed over. */
#define CVF_RING_HEADER 128
#define CVF_RING_SLACK (CVF_MOST + 8192)
#define CVF_DISCARD 0x80000000u
struct cvf_ring {
    __u64 head;
    __u64 busy; /* programs inside, where the kernel has no compare-and-exchange */
    __u64 pad[6];
    __u64 tail;
    __u64 pad2[7];
    /* data follows */
};

enum cvf_socket_flag {
    CVF_S_EXISTED = 1 << 0, /* older than the agent */
    CVF_S_OWN = 1 << 1,     /* the agent's */
    CVF_S_CLIENT = 1 << 2,
    CVF_S_SERVER = 1 << 3,
    CVF_S_MET = 1 << 4,       /* opened has been sent */
    CVF_S_ELSEWHERE = 1 << 5, /* the other end is here too and has the payload */
    CVF_S_LISTENER = 1 << 6,  /* CVF_LISTEN has been sent */
    CVF_S_CLOSED = 1 << 7,    /* the final report has been sent */
    CVF_S_TCP = 1 << 8,       /* a TCP connection (or listener), not a raw socket of that protocol */
    CVF_S_PEERS = 1 << 9,     /* peers of it have been met one by one */
    /* The selector has no use for it: it is not met, and tells nothing. In a report: its last, so far. */
    CVF_S_PASSED_OVER = 1 << 10,
    CVF_S_TAKEN_UP = 1 << 11, /* in reports only: it was passed over until now */
};

struct cvf_event {
    __u64 time;
    __u64 cookie;
    __u8 type;
    __u8 egress;
    __u16 pad;
    __u32 netns;
};

struct cvf_owner {
    __u64 cgroup_id;
    __u32 pid, uid, gid;
    __u32 lately; /* the programs' own: how often it became another one in the present 2^30 ns, and which that is */
    char comm[16];
};

struct cvf_tuple {
    __u8 local[16], remote[16];
    __u16 local_port, remote_port;
    __u8 family; /* 4 or 6 */
    __u8 protocol;
    __u8 state; /* TCP_ESTABLISHED … */
    __u8 pad;
};

struct cvf_opened {
    struct cvf_event event;
    struct cvf_tuple tuple;
    struct cvf_owner owner;
    __u64 peer_cookie;     /* the other end on this host, 0: not known */
    __u64 parent_cookie;   /* the unconnected socket, or the MPTCP connection of a subflow; 0: none */
    __u64 listener_cookie; /* whose handshake it came of; 0: not known, as in every report */
    __u32 flags;           /* enum cvf_socket_flag */
    __u32 isn_in, isn_out; /* initial sequence numbers, TCP from the handshake on; 0 otherwise */
    __u32 pad;
};

struct cvf_owner_event {
    struct cvf_event event;
    struct cvf_owner owner;
    __u32 flags; /* enum cvf_socket_flag */
    __u32 pad;
};

struct cvf_payload {
    struct cvf_event event;
    __u32 length;   /* of the packet from its IP header on */
    __u32 captured; /* bytes that follow; the record may have padding behind them */
    __u32 isn;      /* CVF_HANDSHAKE: the initial sequence number of who opens */
    __u32 pad;
};

struct cvf_tcp_numbers {
    __u64 bytes_sent, bytes_received; /* payload: sent, with repetitions; received without, a FIN counting one */
    __u32 srtt_us, min_rtt_us, retransmits, reordering_seen, mss;
    __u32 snd_nxt, rcv_nxt;
    __u32 zero_windows_out, zero_windows_in; /* how often this end, and the other, closed its window */
    __u8 send_window_scale, receive_window_scale, has_tcp, pad;
};

struct cvf_report {
    struct cvf_opened socket;
    __u64 packets_out, bytes_out, packets_in, bytes_in;
    __u64 first;                     /* monotonic */
    __u64 last_jiffies, now_jiffies; /* last packet and this report */
    struct cvf_tcp_numbers tcp;
};

/* As cvf::tap::TcpEventKind. */
enum cvf_tcp_kind {
    CVF_RETRANSMIT = 0,
    CVF_RESET_SENT = 1,
    CVF_RESET_RECEIVED = 2,
    CVF_STATE = 3,
    CVF_DROP = 4,
    CVF_LISTEN_OVERFLOW = 5
};

struct cvf_tcp_event {
    struct cvf_event event;
    struct cvf_tuple tuple;
    struct cvf_owner owner; /* of the socket, where it has one that is known */
    __u32 reason;           /* CVF_DROP; event.egress: the socket sent the packet, else `local` is where it went */
    __u8 kind, old_state, new_state, pad;
};

struct cvf_process_event {
    struct cvf_event event;
    __u64 cgroup_id;
    __u64 start; /* boot time */
    __u32 pid, parent_pid, uid, gid, exit_code;
    __u8 kind; /* as cvf::tap::ProcessEvent::Kind */
    __u8 pad[3];
    char comm[16];
    __u32 filename_length;
    __u32 pad2;
};
#define CVF_FILENAME_MOST 1024

/* One peer of an unconnected socket. */
struct cvf_peer_key {
    __u64 cookie; /* of the socket */
    __u8 local[16], remote[16];
    __u16 local_port, remote_port;
    __u8 family, protocol, pad[2];
};

/* What is wanted of a socket's payload, as cvf::tap::Verdict. Written by the agent with plain stores, read by the programs. Two
 * sockets share a cache line: a cookie's entry is one of the two at (cookie mod lines). An entry without its cookie is nobody's.
 */
struct cvf_want {
    __u64 cookie;
    __u64 skip[2]; /* by egress: no payload before this stream offset */
    __u8 verdict[2];
    __u8 pad[6];
};
struct cvf_want_line {
    struct cvf_want want[2];
};

/* What the agent changes while the programs run: mapped memory, plain stores. Ages are in jiffies since the last packet. */
struct cvf_control {
    __u32 payload; /* 0: none leaves the kernel; else which time it does, 1 to 255 */
    /* What the iterators report: all, or only what is younger than `active`; peers also when they are at least `idle` old, or
     * their socket is in the map of released ones. */
    __u32 report_all, active, idle;
    __u32 selector; /* 0: everything is wanted; else enum cvf_select, and which one it is */
};

/* What a selector asks of a conversation: that it is of one of these kinds, and what else is set. From CVF_SELECT_GENERATION on,
 * the number that tells one selector from the next: the parts of the next lie beside those of the one in force, and are complete
 * when it comes in force by one store. */
enum cvf_select {
    CVF_SELECT_TCP = 1 << 0,
    CVF_SELECT_UDP = 1 << 1,
    CVF_SELECT_OTHERS = 1 << 2,
    CVF_SELECT_PORTS = 1 << 3,     /* a port of either end is in the set of this generation (its lowest bit) */
    CVF_SELECT_ADDRESSES = 1 << 4, /* an address of either end has one of the prefixes under this word */
    CVF_SELECT_IPV6 = 1 << 5,      /* in a prefix's key only */
    CVF_SELECT_GENERATION = 1 << 8,
};
struct cvf_port_set {
    __u8 bits[65536 / 8];
};
/* Key of the prefixes' trie. */
struct cvf_prefix {
    __u32 length;     /* in bits, from the next member on */
    __u32 selector;   /* cvf_control.selector, with CVF_SELECT_IPV6 */
    __u8 address[16]; /* IPv4 in the first four */
};
#define CVF_PREFIX_BEFORE 32  /* bits before the address */
#define CVF_MOST_PREFIXES 512 /* of one selector */

/* Per CPU: what could not be done. */
enum cvf_count {
    CVF_C_LOST,         /* events for which the buffer had no room */
    CVF_C_UNTRACKED,    /* packets of sockets for which there was no memory */
    CVF_C_DROPS_UNSAID, /* drop events beyond the rate limit */
    /* And what was not asked for. */
    CVF_C_PASSED_OVER,         /* packets that no selector wants, an aggregate counting one */
    CVF_C_SOCKETS_PASSED_OVER, /* sockets, each time that the selector comes to have no use for them */
    CVF_C_COUNT,
};
