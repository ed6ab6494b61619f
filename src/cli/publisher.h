// `cvf read --bus`: records of captures published in the fabric, none of them lost to haste: reading waits for the broker.
//
// Thread rule: one thread. Errors: as agent/bus_link.h.
#pragma once

#include <atomic>
#include <expected>
#include <memory>
#include <string>

#include "agent/bus_link.h"
#include "config/settings.h"
#include "pipeline/rules.h"

namespace cvf::cli {

class Publisher {
 public:
    // `selection`: which records, and which fields of them. Whoever makes records waits in the midst of it while too much is
    // under way, until `stop`.
    static std::expected<std::unique_ptr<Publisher>, std::string> open(const config::Settings& settings,
                                                                       pipeline::Selection selection,
                                                                       const std::atomic<bool>& stop);

    pipeline::RuleSlot* slot() { return &slot_; }
    // Waits for what is under way; then says how much was published. False: some was lost.
    bool finish(bool quiet);

 private:
    Publisher() = default;

    std::unique_ptr<agent::BusLink> link_;
    pipeline::RuleSlot slot_;
};

}  // namespace cvf::cli
