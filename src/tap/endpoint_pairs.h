// Which of the TCP sockets that are there are the two ends of one connection.
//
// For those whose beginning nobody has seen: older than the agent, or passed over until now. The two sequence numbers of one end
// are the other's, the other way round, through address translation too; while data is under way they differ by it, and then the
// tuple must say so. Pure function.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "bpf/shared.h"

namespace cvf::tap {

// Of each pair the report that stands earlier comes first.
std::vector<std::pair<const cvf_report*, const cvf_report*>> connected_pairs(const std::vector<cvf_report>& reports);

}  // namespace cvf::tap
