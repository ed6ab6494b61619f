// One agent of a simulated fleet: the real thing from the record on (shard, rules, steering, bus sink, bus), with a synthetic
// tap.
//
// The tap makes flow records at a given rate and hands them to the shard as dissectors would; the data path's turns are timed as
// the endpoint tap's are: 10 ms apart, 1 ms while there is much to do.
//
// What it has to tell stands on a Board, which other processes may read: a fleet is shared out among several, for what is cheap
// for one connection (getrusage(), libnats's one list of timers) is not for thousands in one process.
//
// Thread rule: turn() and stop() on one thread, the data path's; all else on any. Errors: start() says what is wrong with the
// options; a broker that is away is waited for.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <expected>
#include <memory>
#include <string>

#include "agent/bus_link.h"
#include "agent/steering.h"
#include "pipeline/shard.h"

namespace cvf::bench {

struct TapOptions {
    double rate = 0;     // records per second
    unsigned burst = 1;  // made at once, as those of one conversation come together
};

// In memory that the fleet's processes share.
struct Board {
    std::atomic<int64_t>
        in_force[record::type_count];  // steady clock, ns: since when rules want this type; 0: they do not, or it was wiped
    std::atomic<bool> connected;
    std::atomic<uint64_t> made, given, delivered, lost, waiting, spooled_bytes;
};

class FleetAgent {
 public:
    using Clock = std::chrono::steady_clock;

    // `settings`: node, bus and what goes with it, spool. No spool size: none.
    static std::expected<std::unique_ptr<FleetAgent>, std::string> start(const config::Settings& settings, uint64_t number,
                                                                         TapOptions tap, Board& board);

    // Makes what is due, lets it go, and says when the next turn is.
    Clock::time_point turn(Clock::time_point now);
    // Sends what waits, for at most `wait`.
    void stop(std::chrono::milliseconds wait);
    void set_rate(double rate) { tap_.rate = rate; }
    bool connected() const { return link_->bus().state().connected; }
    // Brings the board up to date with the sums.
    void tell();

 private:
    FleetAgent(const config::Settings& settings, uint64_t number, TapOptions tap, Board& board);
    void make(int64_t now);

    Board& board_;
    const uint64_t number_;
    TapOptions tap_;
    std::unique_ptr<agent::BusLink> link_;
    pipeline::RuleSlot slot_;
    pipeline::Shard shard_;
    std::unique_ptr<agent::Steering> steering_;
    pipeline::TypeBits wanted_;
    Clock::time_point last_{};
    double due_ = 0;
    uint64_t flow_ = 0;
};

}  // namespace cvf::bench
