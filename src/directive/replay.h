// Against what was signed once being played again.
//
// A signed directive holds from `issued` to `expires`, give or take what clocks may differ, and ends at `expires` if it has not
// before. Of one kind and name a node runs none that was issued before the latest it has seen, and after a deletion none that was
// not issued later than the one deleted: an older document, or a deleted one, put back by whoever can write to the bus stays
// without effect. The same document delivered again is no replay. What is remembered can be dropped at `expires`: from then on
// time itself refuses it. A node that lost its memory (new disk) accepts what has not expired, which is why signatures should
// expire soon, and why the memory can be kept as text.
//
// Thread rule: one thread. Memory: at most max_remembered entries; when they are all in use, what is new is refused, not let by.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <map>
#include <string>
#include <string_view>

#include "directive/directive.h"

namespace cvf::directive {

class ReplayGuard {
 public:
    static constexpr size_t max_remembered = 2'000;
    static constexpr std::chrono::minutes clock_tolerance{2};

    // For a directive whose signature has been verified: whether it may run, and remembers it. `now`: UTC ns. The error says why
    // not.
    std::expected<void, std::string> accept(const Directive& directive, int64_t now);
    // For a deleted one, as last accepted; unknown names are no error.
    void removed(std::string_view identity);
    // Drops what has expired.
    void forget(int64_t now);

    // Text to keep across restarts, and back. Text that is not such text is refused as a whole.
    std::string save() const;
    static std::expected<ReplayGuard, std::string> load(std::string_view text);

    size_t size() const { return seen_.size(); }

 private:
    struct Seen {
        int64_t issued = 0, expires = 0;
        std::string value;  // of the signature: tells one document of that second from another
        bool removed = false;
    };
    std::map<std::string, Seen, std::less<>> seen_;
};

}  // namespace cvf::directive
