// What the traffic is like of which somebody wants records: necessary conditions that can be asked of a socket, long before there
// is a record (directive/pushdown.h).
//
// Only of records that are made of sockets' traffic. Those of processes, of the agent itself and of what no socket owns are made
// whatever the tap is told; sums are made of others.
//
// Thread rule: pure functions.
#pragma once

#include "directive/pushdown.h"
#include "pipeline/outlet.h"
#include "sink/subscription.h"

namespace cvf::pipeline {

directive::Pushdown demand_of(const Selection& selection);
// A selector that is no expression may want anything.
directive::Pushdown demand_of(const sink::SubscriptionOptions& subscription);

}  // namespace cvf::pipeline
