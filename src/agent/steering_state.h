// What an agent remembers of directives across restarts: how long and how much each has run, which have ended, and which signed
// documents it has seen.
//
// A life of a directive is one intention of someone: a generation of a uid, or, where a trusted key has signed it, one signature:
// what the signature does not cover (uid, generation) is anyone's to change who can write to the bus, and must not give a
// document a second life.
//
// A small file of two lines of JSON, replaced in one step when something has changed; a file that can't be read is begun anew,
// with a line on standard error. Thread rule: one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "directive/replay.h"

namespace cvf::agent {

class SteeringState {
 public:
    // More directives than this are not run: they could not be remembered.
    static constexpr size_t max_known = 2'000;

    struct Life {
        std::string id;     // see life_of()
        int64_t began = 0;  // UTC ns: first in force here
        int64_t ran = 0;    // ns it was in force, as last told
        uint64_t sent = 0;  // records, as last told
        uint64_t bytes = 0;
        std::string ended;  // why; empty: it has not
    };

    // `path` empty: nothing is kept.
    static SteeringState load(const std::string& path);
    void save();

    static std::string life_of(const directive::Directive& directive, bool signed_by_trusted);

    // The life `id` of a directive; another one of that name is forgotten. Null: there is no room. Holds until keep_only().
    Life* at(const std::string& identity, const std::string& id);
    // Forgets those that nobody wants any more; `wanted` says whether one is.
    void keep_only(const std::function<bool(const std::string& identity)>& wanted);

    directive::ReplayGuard& guard() { return guard_; }

 private:
    std::string text() const;

    std::string path_, saved_;
    std::map<std::string, Life> known_;
    directive::ReplayGuard guard_;
};

}  // namespace cvf::agent
