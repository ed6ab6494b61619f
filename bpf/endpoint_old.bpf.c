/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The endpoint tap for kernels without compare-and-exchange in BPF (before 5.12). */
#define CVF_PLAIN_ATOMICS
#include "endpoint.bpf.c"
