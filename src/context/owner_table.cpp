#include "context/owner_table.h"

#include <algorithm>

#include "context/owner_entry.h"
#include "host/process.h"

namespace cvf::context {

namespace {

constexpr int64_t ms = 1'000'000;
// A namespace's inode is used again when it is gone, so names are read anew when an owner is met, but not more often than this …
constexpr int64_t netns_pause_ns = 100 * ms;
// … and this often in any case.
constexpr int64_t netns_refresh_ns = 5000 * ms;
// A runtime may know a container only a little after its first process runs.
constexpr int64_t first_retry_ns = 200 * ms;
constexpr unsigned max_attempts = 4;

// Lets go of what only the map holds. False: the map is still full.
template <typename Map>
bool make_room(Map& map, size_t limit) {
    if (map.size() < limit) return true;
    boost::unordered::erase_if(map, [](const auto& item) { return item.second.use_count() == 1; });
    return map.size() < limit;
}

}  // namespace

OwnerRef::OwnerRef(OwnerEntry* entry) noexcept : entry_(entry) {
    if (entry_) ++entry_->handles;
}

OwnerRef::OwnerRef(const OwnerRef& other) noexcept : OwnerRef(other.entry_) {}

OwnerRef::~OwnerRef() {
    if (!entry_ || --entry_->handles > 0) return;
    if (OwnerTable* table = entry_->home->table) {
        table->idle(entry_);
    } else {
        delete entry_;
    }
}

OwnerTable::OwnerTable(Options options)
    : options_(std::move(options)),
      processes_(options_.processes),
      home_(std::make_shared<Home>(Home{this})),
      boot_to_utc_ns_(host::boot_to_utc_ns()) {
    learn(host::named_netns(options_.netns, options_.max_netns));
    resolver_ = std::make_unique<Resolver>(
        [paths = options_.runtimes](const std::string& id, Runtime runtime) { return ask_runtimes(paths, id, runtime); },
        [paths = options_.netns, limit = options_.max_netns] { return host::named_netns(paths, limit); });
}

OwnerTable::~OwnerTable() {
    home_->table = nullptr;  // entries that handles still hold are theirs now
    for (OwnerEntry* entry : idle_) delete entry;
}

void OwnerTable::forget(OwnerEntry* entry) {
    if (entry->listed) owners_.erase(entry->key);
    if (entry->is_idle) idle_.erase(entry->idle_place);
    --live_;
    delete entry;
}

void OwnerTable::idle(OwnerEntry* entry) {
    if (!entry->listed || (entry->process && entry->process->replaced)) {
        forget(entry);
        return;
    }
    entry->is_idle = true;
    entry->idle_place = idle_.insert(idle_.end(), entry);
    if (idle_.size() > options_.max_idle_owners) forget(idle_.front());
}

void OwnerTable::process_forked(const ProcessChange& change, int64_t time_ns) {
    now_ns_ = std::max(now_ns_, time_ns);
    processes_.forked(change, time_ns);
}

OwnerRef OwnerTable::process_executed(const ProcessChange& change, int64_t time_ns) {
    now_ns_ = std::max(now_ns_, time_ns);
    return of_process(processes_.executed(change, time_ns));
}

OwnerRef OwnerTable::process_exited(const ProcessChange& change, int64_t time_ns, uint64_t* lifetime_ns) {
    now_ns_ = std::max(now_ns_, time_ns);
    const auto process = processes_.exited(change, time_ns);
    if (lifetime_ns) {
        const bool known = process && process->start_ns != 0 && process->start_ns < time_ns;
        *lifetime_ns = known ? static_cast<uint64_t>(time_ns - process->start_ns) : 0;
    }
    return of_process(process);
}

OwnerRef OwnerTable::of_process(const std::shared_ptr<Process>& process) {
    if (!process) return {};
    const Key key{process->pid, process->uid, process->gid, process->netns, process->cgroup_id};
    if (const auto found = owners_.find(key); found != owners_.end() && found->second->process == process) {
        OwnerEntry* entry = found->second;
        if (std::exchange(entry->is_idle, false)) idle_.erase(entry->idle_place);
        return OwnerRef(entry);
    }
    return make(key, process, now_ns_);
}

OwnerRef OwnerTable::find(const SocketOwner& owner, int64_t time_ns) {
    now_ns_ = std::max(now_ns_, time_ns);
    if (owner.pid == 0 && owner.cgroup_id == 0 && owner.netns == 0) return {};
    const Key key{owner.pid, owner.uid, owner.gid, owner.netns, owner.cgroup_id};
    if (const auto found = owners_.find(key); found != owners_.end()) {
        OwnerEntry* entry = found->second;
        if (!entry->process || processes_.current(*entry->process, time_ns)) {
            if (std::exchange(entry->is_idle, false)) idle_.erase(entry->idle_place);
            return OwnerRef(entry);
        }
    }
    return make(key, processes_.find(owner.pid, owner.comm, time_ns), time_ns);
}

OwnerRef OwnerTable::make(const Key& key, std::shared_ptr<Process> process, int64_t time_ns) {
    // The same words for another process: the old entry lives on for those who hold it.
    if (const auto old = owners_.find(key); old != owners_.end()) {
        OwnerEntry* entry = old->second;
        if (entry->is_idle) {
            forget(entry);
        } else {
            owners_.erase(old);
            entry->listed = false;
        }
    }
    if (live_ >= options_.max_owners) {
        if (idle_.empty()) {
            ++refused_;
            return {};
        }
        forget(idle_.front());
    }
    auto entry = std::make_unique<OwnerEntry>();
    entry->home = home_;
    entry->key = key;
    entry->process = std::move(process);
    if (key.cgroup_id != 0) entry->cgroup = cgroup(key.cgroup_id);
    if (key.netns != 0) {
        entry->netns = netns(key.netns);
        if (time_ns - netns_asked_ns_ >= netns_pause_ns) {
            netns_asked_ns_ = time_ns;
            resolver_->ask_netns();
        } else {
            netns_wanted_ = true;
        }
    }
    owners_.emplace(key, entry.get());
    ++live_;
    return OwnerRef(entry.release());
}

std::shared_ptr<OwnerTable::Cgroup> OwnerTable::cgroup(uint64_t id) {
    if (const auto found = cgroups_.find(id); found != cgroups_.end()) return found->second;
    if (!options_.cgroup_path || !make_room(cgroups_, options_.max_cgroups)) return nullptr;
    auto made = std::make_shared<Cgroup>();
    made->id = id;
    // An id is never used again, so a cgroup that is gone stays unknown and need not be asked for twice.
    if (auto path = options_.cgroup_path(id); path && path->size() <= 4096) made->path = std::move(*path);
    CgroupName name = parse_cgroup_path(made->path);
    made->pod_uid = std::move(name.pod_uid);
    made->runtime = name.runtime;
    if (!name.container_id.empty()) made->container = container(name.container_id, name.runtime);
    cgroups_.emplace(id, made);
    return made;
}

std::shared_ptr<OwnerTable::ContainerState> OwnerTable::container(std::string_view id, Runtime runtime) {
    const std::string key(id);
    if (const auto found = containers_.find(key); found != containers_.end()) return found->second;
    auto made = std::make_shared<ContainerState>();
    made->id = key;
    made->runtime = runtime;
    // Without room the id still stands on records; the rest stays unknown.
    if (!make_room(containers_, options_.max_containers)) return made;
    containers_.emplace(key, made);
    if (!resolver_->ask_container(key, runtime)) retries_.emplace_back(now_ns_ + first_retry_ns, made);
    return made;
}

std::shared_ptr<OwnerTable::NetnsState> OwnerTable::netns(uint32_t id) {
    // The name may be that of one that is gone, whose inode this one has now. The first process's cannot go.
    const auto named = named_netns_.find(id);
    const bool stale = named != named_netns_.end() && named->second.path != options_.netns.proc + "/1/ns/net" &&
                       host::netns_id(named->second.path, options_.netns.only_nsfs) != id;
    if (stale) named_netns_.erase(named);
    if (const auto found = netns_.find(id); found != netns_.end()) {
        if (stale) {
            found->second->name.clear();
            ++found->second->changed;
        }
        return found->second;
    }
    if (!make_room(netns_, options_.max_netns)) return nullptr;
    auto made = std::make_shared<NetnsState>();
    if (!stale && named != named_netns_.end()) made->name = named->second.name;
    netns_.emplace(id, made);
    return made;
}

void OwnerTable::learn(std::vector<host::Netns> list) {
    named_netns_.clear();
    for (host::Netns& one : list) {
        const uint32_t id = one.id;
        named_netns_.emplace(id, std::move(one));
    }
    for (auto& [id, state] : netns_) {
        const auto found = named_netns_.find(id);
        const std::string_view name = found == named_netns_.end() ? std::string_view() : std::string_view(found->second.name);
        if (state->name == name) continue;
        state->name = name;
        ++state->changed;
    }
}

void OwnerTable::answered(Resolver::ContainerAnswer& answer, int64_t time_ns) {
    const auto found = containers_.find(answer.id);
    if (found == containers_.end()) return;
    ContainerState& state = *found->second;
    ++state.attempts;
    if (answer.container) {
        state.facts = std::make_shared<const Container>(std::move(*answer.container));
        ++state.changed;
    } else if (state.attempts < max_attempts) {
        int64_t pause = first_retry_ns;
        for (unsigned i = 1; i < state.attempts; ++i) pause *= 5;
        retries_.emplace_back(time_ns + pause, found->second);
    }
}

void OwnerTable::poll(int64_t time_ns) {
    now_ns_ = std::max(now_ns_, time_ns);
    if (resolver_->has_answers()) {
        Resolver::Answers answers = resolver_->take();
        if (answers.netns) learn(std::move(*answers.netns));
        for (Resolver::ContainerAnswer& answer : answers.containers) answered(answer, time_ns);
    }
    if ((netns_wanted_ && time_ns - netns_asked_ns_ >= netns_pause_ns) ||
        (!netns_.empty() && time_ns - netns_asked_ns_ >= netns_refresh_ns)) {
        netns_wanted_ = false;
        netns_asked_ns_ = time_ns;
        resolver_->ask_netns();
    }
    std::erase_if(retries_, [&](auto& retry) {
        if (retry.first > time_ns) return false;
        const auto state = retry.second.lock();
        if (!state || state->facts || resolver_->ask_container(state->id, state->runtime)) return true;
        retry.first = time_ns + first_retry_ns;
        return false;
    });
    processes_.expire(time_ns);
}

void OwnerTable::clock_stepped(int64_t by_ns) {
    // What is told in time since boot need not move by as much: a machine that slept has stepped, its boot has not.
    const int64_t boot_to_utc_ns = host::boot_to_utc_ns();
    processes_.clock_stepped(by_ns, boot_to_utc_ns - std::exchange(boot_to_utc_ns_, boot_to_utc_ns));
    now_ns_ += by_ns;
    netns_asked_ns_ += by_ns;
    for (auto& retry : retries_) retry.first += by_ns;
}

const record::FieldSet* OwnerTable::fields(const OwnerRef& owner, End end) {
    if (!owner.entry_) return nullptr;
    auto& built = owner.entry_->built[static_cast<size_t>(end)];
    if (!built) built = std::make_unique<OwnerEntry::Built>();
    if (const uint64_t stamp = owner.entry_->stamp(); built->stamp != stamp) {
        build(built->set, *owner.entry_, end);
        built->stamp = stamp;
    }
    return &built->set;
}

OwnerTable::Stats OwnerTable::stats() const {
    return {.processes = processes_.size(),
            .owners = live_,
            .containers = containers_.size(),
            .refused = refused_ + processes_.refused()};
}

}  // namespace cvf::context
