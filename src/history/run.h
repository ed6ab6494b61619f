// A query answered from blocks: newest first, from columns where they suffice, from the records where not.
//
// The caller has a snapshot of blocks; nothing here knows of the store. Thread rule: each call blocks its own thread; calls share
// nothing. Errors: damaged blocks are counted in Progress::damaged, not fatal; a Receiver that says stop ends the query early.
#pragma once

#include <vector>

#include "history/answer.h"
#include "history/query.h"
#include "history/segment.h"

namespace cvf::history {

Progress run(const Query& query, std::vector<BlockRef> blocks, const Receiver& receiver);

}  // namespace cvf::history
