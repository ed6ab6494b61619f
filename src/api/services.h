// What the API stands on. Any of it may be missing: its routes then answer 501 and say what is missing.
//
// Thread rule: all of it is used from the API's threads and must outlive the server.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controller/audit.h"
#include "controller/directives.h"
#include "controller/nodes.h"
#include "history/history.h"
#include "sink/subscription.h"

namespace cvf::api {

// Live records that someone has begun to read.
struct Following {
    std::string filter;                      // empty: all
    std::vector<std::string> types, fields;  // empty: all
    controller::Who who;
};

struct Services {
    sink::Hub* hub = nullptr;
    controller::Directives* directives = nullptr;
    controller::Nodes* nodes = nullptr;
    controller::Audit* audit = nullptr;
    const history::History* history = nullptr;
    // Says what is wrong with a pcap-filter expression; empty: only its form is checked.
    std::function<std::optional<std::string>(std::string_view)> check_pcap_filter = {};
    // Asks the agents for what someone follows, for as long as the handle is held; may be empty. Must not block.
    std::function<std::shared_ptr<void>(const Following&)> follow = {};
};

}  // namespace cvf::api
