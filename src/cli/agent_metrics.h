// An agent's numbers for Prometheus.
#pragma once

#include <vector>

#include "agent/agent.h"
#include "api/metrics.h"

namespace cvf::cli {

std::vector<api::Metric> agent_metrics(const agent::Numbers& numbers);

}  // namespace cvf::cli
