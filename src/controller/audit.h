// The trail of changes: who changed what, when, from where, and whether it was let.
//
// Each entry goes to the bus's bucket `cvf-audit` (kept for 90 days) and is kept in memory, the newest thousand. While the bus is
// away, as many wait for it; what finds no room then, what a bus that is there has refused again and again, and what is still not
// on it two seconds after the end, is lost and counted. Texts are cut at audit_text_bytes and made UTF-8: an entry can't be too
// large for the bus. Thread rule: any; note() does not wait for the bus, the destructor does.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <vector>

#include "bus/bus.h"

namespace cvf::controller {

inline constexpr size_t audit_text_bytes = 256;

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
    virtual uint64_t lost() const = 0;                               // entries that are on no bus
};

}  // namespace cvf::controller
