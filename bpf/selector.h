/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Which conversations are wanted at all: what is asked of a tuple, before anything is counted, kept or told.
 *
 * A socket is judged by its own tuple, once: when it is met, when its connection is made, and by the iterator when the agent has
 * put another selector in force. The answer is a flag in its storage. What has no connection is judged packet by packet, by the
 * packet's addresses. A port or address may be of either end, so both ends of a conversation have the same answer, unless the one
 * knows the other by a translated address. */
#pragma once

#include "control.h"

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 2); /* the one in force and the next, by generation */
    __type(key, __u32);
    __type(value, struct cvf_port_set);
} selector_ports SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 2 * CVF_MOST_PREFIXES);
    __type(key, struct cvf_prefix);
    __type(value, __u8);
} selector_prefixes SEC(".maps");

static __always_inline bool has_port(const struct cvf_port_set* set, __u16 port) {
    return set->bits[port >> 3] >> (port & 7) & 1;
}

static __always_inline bool has_address(__u32 selector, bool four, const __u32* a) {
    struct cvf_prefix key = {};
    __u32* to = (__u32*)key.address;
    key.selector = four ? selector : selector | CVF_SELECT_IPV6;
    if (four) {
        key.length = CVF_PREFIX_BEFORE + 32;
        to[0] = a[0];
    } else {
        key.length = CVF_PREFIX_BEFORE + 128;
        to[0] = a[0], to[1] = a[1], to[2] = a[2], to[3] = a[3];
    }
    return bpf_map_lookup_elem(&selector_prefixes, &key) != 0;
}

static __always_inline bool is_mapped(const __u32* a) {
    return !a[0] && !a[1] && a[2] == bpf_htonl(0xffff);
}

/* Whether `selector` (control.selector, not 0) wants conversations of this tuple. */
static __noinline int selected(const struct cvf_tuple* t, __u32 selector) {
    __u32 kind = t->protocol == PROTOCOL_TCP ? CVF_SELECT_TCP : t->protocol == PROTOCOL_UDP ? CVF_SELECT_UDP : CVF_SELECT_OTHERS;
    if (!(selector & kind)) return 0;
    if (selector & CVF_SELECT_PORTS) {
        __u32 which = selector / CVF_SELECT_GENERATION & 1;
        const struct cvf_port_set* set = bpf_map_lookup_elem(&selector_ports, &which);
        if (!set || !(has_port(set, t->local_port) || has_port(set, t->remote_port))) return 0;
    }
    if (selector & CVF_SELECT_ADDRESSES) {
        const __u32 *local = (const __u32*)t->local, *remote = (const __u32*)t->remote;
        bool four = t->family == 4;
        if (!four && (is_mapped(local) || is_mapped(remote))) {
            four = true;
            local += 3;
            remote += 3;
        }
        if (!has_address(selector, four, local) && !has_address(selector, four, remote)) return 0;
    }
    return 1;
}
