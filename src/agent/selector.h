// What the kernel is asked for, of what records are wanted: the part of a demand that a tap can judge by a socket's tuple.
//
// Whoever owns a socket is not judged there: the far end's owner may be the one that is asked for, and is known late.
// Thread rule: pure function.
#pragma once

#include "directive/pushdown.h"
#include "tap/selector.h"

namespace cvf::agent {

tap::Selector selector_of(const directive::Pushdown& demand);

}  // namespace cvf::agent
