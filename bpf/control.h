/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What the agent changes while the programs run. */
#pragma once

#include "kernel.h"
#include "shared.h"

struct cvf_control control SEC(".data.control") = {0, 1, 0, 0, 0};
