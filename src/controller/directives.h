// The directives of the fabric as a controller sees them: the bucket on the bus, mirrored, and the one way to change it.
//
// Nothing is kept here that the bus does not hold; any number of controllers may run, and either may die. Where two change one
// directive at the same time, the later one is told (a revision it expected is gone) and tries again.
//
// Thread rule: any. apply() and remove() wait for the bus, some milliseconds as a rule and five seconds at most; list() and
// find() do not. Errors: Refusal, whose text is for people and whose status is HTTP's.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bus/bus.h"
#include "controller/audit.h"
#include "directive/directive.h"
#include "directive/generation.h"
#include "directive/problem.h"

namespace cvf::controller {

struct Stored {
    directive::Directive directive;
    uint64_t revision = 0;  // of its document on the bus
};

struct Applied {
    directive::Change change;
    Stored stored;
};

struct Refusal {
    unsigned status;  // 404, 409, 422, 503
    std::string text;
    directive::Problems problems;  // 422: what is wrong with the document
};

// What happened to a directive; `stored` is as it is now, or was last.
struct Event {
    enum class What : uint8_t { added, modified, deleted } what;
    Stored stored;
};

class Directives {
 public:
    // `bus` and `audit` outlive it. The error is the bus's.
    static std::expected<std::unique_ptr<Directives>, std::string> open(bus::Bus& bus, Audit& audit);
    virtual ~Directives() = default;

    // True when what the bus holds has been read once.
    virtual bool ready() const = 0;
    virtual std::vector<Stored> list() const = 0;  // by kind and name
    virtual std::optional<Stored> find(directive::Kind kind, std::string_view name) const = 0;
    // Grows with each change seen.
    virtual uint64_t version() const = 0;

    // Stores the directive, unless an equal one is there. `expected`: only if the one there has this revision (0: none is there).
    virtual std::expected<Applied, Refusal> apply(const directive::Directive& directive, const Who& who, bool dry_run,
                                                  std::optional<uint64_t> expected = {}) = 0;
    virtual std::expected<Stored, Refusal> remove(directive::Kind kind, std::string_view name, const Who& who,
                                                  std::optional<uint64_t> expected = {}) = 0;

    // Told of each change, on a thread of the bus; must not block. The handle ends it when destroyed.
    using Listener = std::function<void(const Event&)>;
    virtual std::shared_ptr<void> listen(Listener listener) = 0;
};

}  // namespace cvf::controller
