// The trail of changes: who changed what, when, from where, and whether it was let.
//
// Each entry goes to the bus's bucket `cvf-audit` (kept for 90 days) and is kept in memory, the newest thousand. What the bus
// can't take at once is kept and tried again. Thread rule: any; note() does not wait for the bus.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <vector>

#include "bus/bus.h"

namespace cvf::controller {

// Who asks.
struct Who {
    std::string name;  // of the token, the client certificate, or "local"
    std::string role;  // viewer, operator, plaintext-operator
    std::string from;  // address, or "bus"
};

struct AuditEntry {
    int64_t time = 0;  // UTC ns
    Who who;
    std::string action;  // apply, delete, refuse
    std::string object;  // "Metadata/shop-errors"
    uint64_t generation = 0;
    std::string outcome;  // created, configured, deleted, refused
    std::string reason;   // of a refusal
};

std::string to_json(const AuditEntry& entry);
std::expected<AuditEntry, std::string> audit_entry_from_json(std::string_view text);

class Audit {
 public:
    static std::expected<std::unique_ptr<Audit>, std::string> open(bus::Bus& bus);
    virtual ~Audit() = default;

    virtual void note(AuditEntry entry) = 0;                         // time is set here
    virtual std::vector<AuditEntry> newest(size_t count) const = 0;  // newest first
};

}  // namespace cvf::controller
