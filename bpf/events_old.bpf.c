/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Events for kernels without compare-and-exchange in BPF (before 5.12). */
#define CVF_PLAIN_ATOMICS
#include "events.bpf.c"
