// A controller's numbers for Prometheus, and its services for the API.
#pragma once

#include <vector>

#include "api/metrics.h"
#include "api/services.h"
#include "controller/controller.h"

namespace cvf::cli {

std::vector<api::Metric> controller_metrics(controller::Controller& controller, const history::History* history);
// `controller` outlives whoever uses them; `history` may be null.
api::Services services_of(controller::Controller& controller, const history::History* history);

}  // namespace cvf::cli
