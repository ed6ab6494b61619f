// What an agent remembers of directives across restarts: when each came into force, which have ended, and which signed documents
// it has seen.
//
// A small JSON file, replaced in one step when something has changed; a file that can't be read is begun anew, with a line on
// standard error. Thread rule: one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "directive/replay.h"

namespace cvf::agent {

class SteeringState {
 public:
    // `path` empty: nothing is kept.
    static SteeringState load(const std::string& path);
    void save();

    // When this generation first came into force here: `now` if it has not been before.
    int64_t began(const std::string& identity, const std::string& uid, uint64_t generation, int64_t now);
    void ended(const std::string& identity, const std::string& uid, uint64_t generation, const std::string& why);
    // Empty: it has not.
    std::string why_ended(const std::string& identity, const std::string& uid, uint64_t generation) const;
    // Forgets those that nobody wants any more; `wanted` says whether one is.
    void keep_only(const std::function<bool(const std::string& identity)>& wanted);

    directive::ReplayGuard& guard() { return guard_; }

 private:
    struct Known {
        std::string uid;
        uint64_t generation = 0;
        int64_t began = 0;
        std::string ended;  // why; empty: it has not
    };
    const Known* find(const std::string& identity, const std::string& uid, uint64_t generation) const;
    Known& at(const std::string& identity, const std::string& uid, uint64_t generation);
    std::string text() const;

    std::string path_, saved_;
    std::map<std::string, Known> known_;
    directive::ReplayGuard guard_;
};

}  // namespace cvf::agent
