// Who is at the end of a conversation: process, cgroup, container, pod and network namespace, as fields to attach to records.
//
// A tap names the owner of a socket by pid, ids and namespace (SocketOwner); find() turns that into a handle once, when the owner
// is met or changes; fields() gives a set that was built before, a pointer and three compares per record. Look-ups that may block
// (runtimes, names of namespaces) run on a helper thread; poll() takes in what it found, and later records carry it. What is not
// known is absent.
//
// A handle keeps its owner's facts for as long as it lives, also after the process has ended and its pid is used by another.
// Handles are counted without atomics: they belong to the thread of the table. They may outlive the table; fields() is then out
// of reach.
//
// Thread rule: one thread (find, fields, poll and all handles). Bounded by Options. Errors: none; what cannot be had is absent,
// and what did not fit is counted in Stats.
#pragma once

#include <boost/container_hash/hash.hpp>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "context/owner.h"
#include "context/process_table.h"
#include "context/resolver.h"
#include "context/runtimes.h"
#include "host/netns.h"
#include "record/record.h"

namespace cvf::context {

class OwnerTable;
struct OwnerEntry;

// A counted handle of an owner; empty: not known.
class OwnerRef {
 public:
    OwnerRef() = default;
    OwnerRef(const OwnerRef& other) noexcept;
    OwnerRef(OwnerRef&& other) noexcept : entry_(std::exchange(other.entry_, nullptr)) {}
    OwnerRef& operator=(OwnerRef other) noexcept {
        std::swap(entry_, other.entry_);
        return *this;
    }
    ~OwnerRef();

    explicit operator bool() const { return entry_ != nullptr; }
    bool operator==(const OwnerRef&) const = default;

 private:
    friend class OwnerTable;
    explicit OwnerRef(OwnerEntry* entry) noexcept;
    OwnerEntry* entry_ = nullptr;
};

class OwnerTable {
 public:
    struct Options {
        ProcessTable::Options processes;
        // Path in the cgroup v2 tree of a cgroup's id; quick (host::CgroupTree::path_of). Empty: paths, containers and pods stay
        // unknown.
        std::function<std::optional<std::string>(uint64_t)> cgroup_path;
        RuntimePaths runtimes;
        // Docker's files are not names people gave: a container's own name serves better.
        host::NetnsPaths netns{.named = {"/run/netns", "/var/run/netns"}};
        size_t max_owners = 65536;
        size_t max_idle_owners = 1024;  // kept although no handle is left, for the next conversation of the same process
        size_t max_cgroups = 8192, max_containers = 4096, max_netns = 4096;
    };
    struct Stats {
        size_t processes = 0, owners = 0, containers = 0;
        uint64_t refused = 0;  // owners and processes that did not fit
    };

    explicit OwnerTable(Options options);
    ~OwnerTable();
    OwnerTable(const OwnerTable&) = delete;
    OwnerTable& operator=(const OwnerTable&) = delete;

    // Processes' lives, in time order with everything else. Exec and exit give the process's own handle, for a `process` record.
    void process_forked(const ProcessChange& change, int64_t time_ns);
    OwnerRef process_executed(const ProcessChange& change, int64_t time_ns);
    // lifetime_ns (may be null): from its start to its end; 0 when the start is not known.
    OwnerRef process_exited(const ProcessChange& change, int64_t time_ns, uint64_t* lifetime_ns = nullptr);

    // The owner as it was at this time. Costs two hash look-ups when it was met before, else some 50 µs for /proc.
    OwnerRef find(const SocketOwner& owner, int64_t time_ns);

    // The owner's fields under the keys of this end; null for an empty handle. Valid until the next call that is not fields().
    const record::FieldSet* fields(const OwnerRef& owner, End end);

    // Takes in what the helper found, asks again what was missed, forgets what ended long ago. Between records, some ten times a
    // second.
    void poll(int64_t time_ns);

    // Reads up to `count` more of the processes that were there before; false: all done.
    bool prime(size_t count, int64_t time_ns) { return processes_.prime(count, time_ns); }
    // The wall clock has jumped by this much, and with it the times that are passed in here.
    void clock_stepped(int64_t by_ns);
    // The tap lost events: pids are checked against /proc when they are met again.
    void events_lost(int64_t time_ns) { processes_.distrust(time_ns); }

    Stats stats() const;

 private:
    friend class OwnerRef;
    struct Key {
        uint32_t pid, uid, gid, netns;
        uint64_t cgroup_id;
        bool operator==(const Key&) const = default;
        friend size_t hash_value(const Key& key) {
            size_t seed = 0;
            boost::hash_combine(seed, static_cast<uint64_t>(key.pid) << 32 | key.netns);
            boost::hash_combine(seed, static_cast<uint64_t>(key.uid) << 32 | key.gid);
            boost::hash_combine(seed, key.cgroup_id);
            return seed;
        }
    };
    struct ContainerState {
        std::string id;
        Runtime runtime = Runtime::unknown;
        std::shared_ptr<const Container> facts;  // null: not known (yet)
        unsigned attempts = 0;
        uint64_t changed = 0;
    };
    struct Cgroup {
        uint64_t id = 0;
        std::string path, pod_uid;
        Runtime runtime = Runtime::unknown;
        std::shared_ptr<ContainerState> container;
    };
    struct NetnsState {
        std::string name;
        uint64_t changed = 0;
    };
    friend struct OwnerEntry;
    struct Home;

    OwnerRef of_process(const std::shared_ptr<Process>& process);
    OwnerRef make(const Key& key, std::shared_ptr<Process> process, int64_t time_ns);
    void idle(OwnerEntry* entry);
    void forget(OwnerEntry* entry);
    std::shared_ptr<Cgroup> cgroup(uint64_t id);
    std::shared_ptr<ContainerState> container(std::string_view id, Runtime runtime);
    std::shared_ptr<NetnsState> netns(uint32_t id);
    void learn(std::vector<host::Netns> list);
    void answered(Resolver::ContainerAnswer& answer, int64_t time_ns);
    static void build(record::FieldSet& set, const OwnerEntry& entry, End end);

    Options options_;
    ProcessTable processes_;
    std::shared_ptr<Home> home_;
    boost::unordered_flat_map<Key, OwnerEntry*> owners_;
    std::list<OwnerEntry*> idle_;  // longest idle first
    size_t live_ = 0;              // entries there are, also those a newer one has replaced
    boost::unordered_flat_map<uint64_t, std::shared_ptr<Cgroup>> cgroups_;
    boost::unordered_flat_map<std::string, std::shared_ptr<ContainerState>> containers_;
    boost::unordered_flat_map<uint32_t, std::shared_ptr<NetnsState>> netns_;
    boost::unordered_flat_map<uint32_t, host::Netns> named_netns_;
    std::vector<std::pair<int64_t, std::weak_ptr<ContainerState>>> retries_;
    bool netns_wanted_ = false;
    int64_t netns_asked_ns_ = 0;
    int64_t now_ns_ = 0;
    int64_t boot_to_utc_ns_;
    uint64_t refused_ = 0;
    std::unique_ptr<Resolver> resolver_;  // last: its thread uses nothing of the above, but its answers do
};

}  // namespace cvf::context
