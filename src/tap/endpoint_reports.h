// The sockets' and peers' counters, read from the kernel programs' iterators (which run in this process, at each read).
//
// Rounds, so that no record is older than its counters for long and no end is missed:
//   whole   every report_seconds, and after an event was lost: every socket and peer; what is missing in two has ended unnoticed
//   recent  six times as often: those that have talked since the last
//   ends    of peers, which have no end but their silence: every few seconds, each second where they are many, and when a socket
//           with peers was closed
// Each poll reads one buffer's worth, so that many sockets are no peak. One thread.
#pragma once

#include <cstdint>
#include <vector>

#include "bpf/shared.h"
#include "tap/endpoint_sockets.h"

struct bpf_link;
struct bpf_object;

namespace cvf::tap {

class Reports {
 public:
    struct Options {
        uint32_t seconds = 10;    // between whole rounds
        uint32_t most_peers = 0;  // for which the kernel has room
        uint64_t tick_ns = 0;     // a jiffy
    };

    explicit Reports(SocketTable& table) : table_(table) {}
    ~Reports() { detach(); }
    Reports(const Reports&) = delete;

    // `object` is loaded, `control` its mapped memory; both outlive this.
    void attach(const Options& options, bpf_object* object, cvf_control* control);
    // Before the object is closed.
    void detach();
    // Gives every socket that a process holds its owner.
    void find_holders();
    // Every socket's, at once.
    std::vector<cvf_report> sockets();
    // Begins the rounds, `now` by the monotonic clock.
    void start(uint64_t now);
    // One buffer's worth of the round under way.
    void step();
    bool under_way() const { return step_ != Step::none; }
    // Begins what is due. About once a second; `lost`: an event was, since the last call.
    void second(uint64_t now, bool lost);
    // Begins a whole round now: the kernel looks at each socket again by the selector of now. Whatever is under way is given up.
    void revise(uint64_t now);
    // Without it no selector can be changed.
    bool can_revise() const { return sockets_ != nullptr; }
    // All of it, now, into the table, whatever is under way.
    void all();

 private:
    enum class Round : uint8_t { whole, recent, ends };
    enum class Step : uint8_t { none, sockets, peers };

    bpf_link* iterator(const char* name, const char* map);
    void read_all(bpf_link* link, std::vector<cvf_report>& reports);
    void begin(Round round, uint64_t now);
    void next();
    void finish();
    void abandon();
    void take(const cvf_report& report, bool peer);
    void tell_taken_up();
    void remove_peer(const cvf_report& report);
    uint32_t jiffies(uint64_t ns) const { return static_cast<uint32_t>(ns / options_.tick_ns); }

    SocketTable& table_;
    Options options_;
    bpf_object* object_ = nullptr;
    cvf_control* control_ = nullptr;
    bpf_link *sockets_ = nullptr, *peers_ = nullptr, *holders_ = nullptr;
    Round round_ = Round::whole;
    Step step_ = Step::none;
    int iteration_ = -1, peers_map_ = -1, released_map_ = -1;
    std::vector<uint8_t> buffer_;
    size_t carried_ = 0;
    std::vector<cvf_report> taken_up_;  // of the round under way, to be told together: there may be pairs among them
    boost::unordered_flat_map<uint64_t, uint8_t> released_;  // in the kernel's map, too
    uint64_t next_whole_ = 0, next_recent_ = 0, next_ends_ = 0, last_recent_ = 0;
};

}  // namespace cvf::tap
