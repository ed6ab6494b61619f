// Every process of the machine we have met, for as long as somebody may still ask.
//
// A process is a pid and a start time; a pid that is used again gets a new entry and the old one keeps its facts. Facts come from
// the kernel's events; /proc only fills what the events did not tell, and only when the start time proves that it speaks of the
// same process. A process stays for `keep_ns` after its end, and longer while an owner holds it. Fork copies the parent's
// program; exec replaces it.
//
// Without process events (reduced kernels), or after events were lost, an entry is checked against /proc when it is asked for.
//
// Thread rule: one thread. Bounded by max_processes (+ those that owners hold). Times are UTC ns.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "context/owner.h"
#include "host/process.h"

namespace cvf::context {

// A program as it was started: shared by all forks of it.
struct Program {
    std::string name, path, command_line;
};

struct Process {
    uint32_t pid = 0, parent_pid = 0;
    uint32_t uid = 0, gid = 0;
    uint64_t cgroup_id = 0;
    uint32_t netns = 0;    // at exec, where it was read
    int64_t start_ns = 0;  // 0: not known
    int64_t exit_ns = 0;   // 0: alive, as far as we know
    std::string comm;
    std::shared_ptr<const Program> program;  // null: not known
    bool replaced = false;                   // another process has the pid now, or the table has let go of it
    bool asked_proc = false;                 // /proc has been asked for what was missing
    bool has_ids = false;                    // uid, gid and cgroup_id are known
    int64_t checked_ns = 0;
    uint64_t changed = 0;  // grows when a fact changes
    std::list<std::shared_ptr<Process>>::iterator place;
};

class ProcessTable {
 public:
    struct Options {
        std::string proc = "/proc";  // empty: none is there that numbers processes as the events do
        size_t max_processes = 32768;
        int64_t keep_ns = 30'000'000'000;
        bool command_line = false;
        bool has_events = true;
    };
    explicit ProcessTable(Options options);

    std::shared_ptr<Process> forked(const ProcessChange& change, int64_t time_ns);
    std::shared_ptr<Process> executed(const ProcessChange& change, int64_t time_ns);
    // The process that ended, with exit_ns set; made from the event alone when it was never met.
    std::shared_ptr<Process> exited(const ProcessChange& change, int64_t time_ns);
    // The process that had this pid at this time; made from /proc or, when it is gone, from `comm` alone. Null for pid 0 or a
    // full table.
    std::shared_ptr<Process> find(uint32_t pid, std::string_view comm, int64_t time_ns);
    // True when what find() once returned is still right for its pid: cheap.
    bool current(Process& process, int64_t time_ns);

    // Reads up to `count` more of the processes that were there before. False: all done. First call lists /proc.
    bool prime(size_t count, int64_t time_ns);
    // Events were lost: entries are checked against /proc at their next use.
    void distrust(int64_t time_ns) { distrust_ns_ = time_ns; }
    // The wall clock has jumped: times are by so much later from now on, the starts of processes by `starts_by_ns`.
    void clock_stepped(int64_t by_ns, int64_t starts_by_ns);
    void expire(int64_t time_ns);

    size_t size() const { return by_pid_.size(); }
    uint64_t refused() const { return refused_; }

 private:
    std::shared_ptr<Process> insert(uint32_t pid, int64_t time_ns);
    void remove(Process& process);
    bool make_room();
    std::shared_ptr<Process> same(const ProcessChange& change);
    void fill_from_proc(Process& process, int64_t not_after_ns);
    static void touch(Process& process) { ++process.changed; }

    Options options_;
    host::Proc proc_;
    boost::unordered_flat_map<uint32_t, Process*> by_pid_;
    std::list<std::shared_ptr<Process>> order_;  // oldest first
    std::deque<std::pair<int64_t, std::shared_ptr<Process>>> exited_;
    std::vector<uint32_t> to_prime_;
    bool primed_ = false;
    int64_t distrust_ns_ = 0;
    uint64_t refused_ = 0;
};

}  // namespace cvf::context
