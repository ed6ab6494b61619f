// A list with a mark for each item, made once for all who watch it: what it costs to make depends on the list, not on how many
// watch. A new one is made when the list has another version, or after a second; a tenth of a second after the last at the
// earliest, and later where that took long: looking takes a tenth of the time at most.
//
// Thread rule: the HTTP server's thread.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "api/services.h"

namespace cvf::api {

template <typename Thing>
struct Look {
    struct Item {
        std::string key, mark;
        Thing thing;
    };
    std::vector<Item> items;  // in order of keys
    bool complete = true;
    uint64_t version = 0;
    std::chrono::steady_clock::time_point made{}, next{};  // `next`: when another may be made
};

template <typename Thing>
class Looks {
 public:
    using Clock = std::chrono::steady_clock;
    static constexpr auto most_often = std::chrono::milliseconds(100);
    static constexpr auto least_often = std::chrono::seconds(1);

    // One of another version than the list's: it is too early for the next.
    template <typename Make>
    std::shared_ptr<const Look<Thing>> at(Clock::time_point now, uint64_t version, Make&& make) {
        if (last_ && (now < last_->next || (version == last_->version && now - last_->made < least_often))) return last_;
        auto look = std::make_shared<Look<Thing>>(make());
        const auto end = Clock::now();
        look->version = version;
        look->made = now;
        look->next = end + std::max<Clock::duration>(most_often, (end - now) * 10);
        last_ = std::move(look);
        ++made_;
        return last_;
    }
    uint64_t made() const { return made_; }

 private:
    std::shared_ptr<const Look<Thing>> last_;
    uint64_t made_ = 0;
};

class Watches {
 public:
    Looks<controller::Stored> directives;
    Looks<controller::Node> nodes;
};

}  // namespace cvf::api
