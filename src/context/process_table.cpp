#include "context/process_table.h"

#include <algorithm>
#include <cstdlib>

namespace cvf::context {

namespace {

constexpr int64_t ms = 1'000'000;
// /proc tells a start time to the clock tick (10 ms), and the offset between the clocks is sampled: nearer than this is the same
// moment. No pid comes round again within it.
constexpr int64_t same_start_ns = 100 * ms;
// Without events a pid is looked at again after this long.
constexpr int64_t check_every_ns = 1000 * ms;
constexpr size_t max_path_bytes = 4096;
constexpr size_t max_comm_bytes = 64;

bool same_start(int64_t a, int64_t b) {
    return std::llabs(a - b) < same_start_ns;
}

std::string file_name(std::string_view path) {
    const size_t slash = path.rfind('/');
    return std::string(slash == std::string_view::npos ? path : path.substr(slash + 1));
}

// A path by which a descriptor is executed (fexecve) names nothing.
bool names_a_file(std::string_view path) {
    return !path.empty() && !path.starts_with("/dev/fd/") && !path.starts_with("/proc/self/fd/");
}

std::string_view text(std::string_view foreign, size_t limit) {
    foreign = foreign.substr(0, foreign.find('\0'));
    return foreign.substr(0, limit);
}

}  // namespace

ProcessTable::ProcessTable(Options options) : options_(std::move(options)), proc_(options_.proc) {}

void ProcessTable::remove(Process& process) {
    process.replaced = true;
    by_pid_.erase(process.pid);
    order_.erase(process.place);  // may free it
}

// Lets go of the oldest that no owner holds. Held ones are put at the end; a few tries keep the cost bounded.
bool ProcessTable::make_room() {
    if (by_pid_.size() < options_.max_processes) return true;
    for (int tries = 0; tries < 16 && !exited_.empty(); ++tries) {
        const std::shared_ptr<Process> oldest = std::move(exited_.front().second);
        exited_.pop_front();
        if (oldest->replaced) continue;
        remove(*oldest);
        return true;
    }
    for (int tries = 0; tries < 16 && !order_.empty(); ++tries) {
        if (order_.front().use_count() == 1) {
            remove(*order_.front());
            return true;
        }
        order_.splice(order_.end(), order_, order_.begin());
    }
    ++refused_;
    return false;
}

std::shared_ptr<Process> ProcessTable::insert(uint32_t pid, int64_t time_ns) {
    if (pid == 0) return nullptr;
    if (const auto old = by_pid_.find(pid); old != by_pid_.end()) remove(*old->second);
    if (!make_room()) return nullptr;
    auto process = std::make_shared<Process>();
    process->pid = pid;
    process->checked_ns = time_ns;
    process->place = order_.insert(order_.end(), process);
    by_pid_[pid] = process.get();
    touch(*process);
    return process;
}

// The entry of this pid, when it can be the process the event speaks of.
std::shared_ptr<Process> ProcessTable::same(const ProcessChange& change) {
    const auto found = by_pid_.find(change.pid);
    if (found == by_pid_.end()) return nullptr;
    Process& process = *found->second;
    if (process.start_ns != 0 && change.start_ns != 0 && !same_start(process.start_ns, change.start_ns)) return nullptr;
    return *process.place;
}

std::shared_ptr<Process> ProcessTable::forked(const ProcessChange& change, int64_t time_ns) {
    // Met already, by a look-up that was ahead of the event: nothing new but the ids.
    auto process = same(change);
    const bool met = process && process->exit_ns == 0 && process->start_ns != 0;
    if (!met) process = insert(change.pid, time_ns);
    if (!process) return nullptr;
    process->parent_pid = change.parent_pid;
    process->uid = change.uid;
    process->gid = change.gid;
    process->cgroup_id = change.cgroup_id;
    process->has_ids = true;
    touch(*process);
    if (met) return process;
    process->start_ns = change.start_ns;
    process->comm = text(change.comm, max_comm_bytes);
    if (const auto parent = by_pid_.find(change.parent_pid); parent != by_pid_.end()) {
        process->program = parent->second->program;
        process->netns = parent->second->netns;
    }
    return process;
}

std::shared_ptr<Process> ProcessTable::executed(const ProcessChange& change, int64_t time_ns) {
    auto process = same(change);
    if (!process || process->exit_ns != 0) process = insert(change.pid, time_ns);
    if (!process) return nullptr;
    // The parent when it was started: a fork seen knows it better than an exec after the parent has gone.
    if (process->parent_pid == 0) process->parent_pid = change.parent_pid;
    process->uid = change.uid;
    process->gid = change.gid;
    process->cgroup_id = change.cgroup_id;
    process->has_ids = true;
    if (change.start_ns != 0) process->start_ns = change.start_ns;
    process->comm = text(change.comm, max_comm_bytes);

    auto program = std::make_shared<Program>();
    const std::string_view filename = text(change.filename, max_path_bytes);
    if (names_a_file(filename)) {
        program->name = file_name(filename);
        if (filename.starts_with('/')) program->path = filename;
    }
    // The link in /proc is exact where the event's name is relative, a link or a script. Start time last: it proves what was read
    // before.
    std::string path = proc_.executable(change.pid);
    std::string command_line = options_.command_line ? proc_.command_line(change.pid) : std::string();
    const uint32_t netns = proc_.netns(change.pid);
    const auto now = path.empty() ? std::nullopt : proc_.stat(change.pid);
    if (now && process->start_ns != 0 && same_start(now->start_ns, process->start_ns)) {
        program->name = file_name(path);
        program->path = std::move(path);
        program->command_line = std::move(command_line);
        process->netns = netns;
    }
    if (program->name.empty()) program->name = process->comm;
    process->program = std::move(program);
    process->asked_proc = true;
    process->checked_ns = time_ns;
    touch(*process);
    return process;
}

std::shared_ptr<Process> ProcessTable::exited(const ProcessChange& change, int64_t time_ns) {
    auto process = same(change);
    if (!process) {
        process = insert(change.pid, time_ns);
        if (!process) return nullptr;
        process->parent_pid = change.parent_pid;
        process->start_ns = change.start_ns;
        process->comm = text(change.comm, max_comm_bytes);
        process->asked_proc = true;
    }
    if (process->start_ns == 0) process->start_ns = change.start_ns;
    if (!process->has_ids) {
        process->uid = change.uid;
        process->gid = change.gid;
        process->cgroup_id = change.cgroup_id;
        process->has_ids = true;
    }
    if (process->exit_ns == 0) {
        process->exit_ns = time_ns;
        exited_.emplace_back(time_ns, process);
        // Pids that come round within keep_ns would else pile up here.
        if (exited_.size() > 2 * options_.max_processes) exited_.pop_front();
    }
    touch(*process);
    return process;
}

// Fills what is missing, if /proc speaks of this process: started no later than `not_after_ns` and, when we know its start, then.
void ProcessTable::fill_from_proc(Process& process, int64_t not_after_ns) {
    process.asked_proc = true;
    std::string path = proc_.executable(process.pid);
    std::string command_line = options_.command_line ? proc_.command_line(process.pid) : std::string();
    const uint32_t netns = proc_.netns(process.pid);
    const auto now = proc_.stat(process.pid);
    if (!now) return;
    if (process.start_ns != 0 ? !same_start(now->start_ns, process.start_ns) : now->start_ns > not_after_ns + same_start_ns)
        return;
    if (process.start_ns == 0) process.start_ns = now->start_ns;
    if (process.parent_pid == 0) process.parent_pid = now->parent_pid;
    if (process.netns == 0) process.netns = netns;
    process.comm = now->comm;  // of the process; an owner's comm may be that of a thread
    if (!process.program && !path.empty()) {
        auto program = std::make_shared<Program>();
        program->name = file_name(path);
        program->path = std::move(path);
        program->command_line = std::move(command_line);
        process.program = std::move(program);
    }
    touch(process);
}

bool ProcessTable::current(Process& process, int64_t time_ns) {
    if (process.replaced) return false;
    if (options_.has_events && process.checked_ns >= distrust_ns_) return true;
    if (!options_.has_events && time_ns - process.checked_ns < check_every_ns) return true;
    process.checked_ns = std::max(time_ns, distrust_ns_);
    const auto now = proc_.stat(process.pid);
    // Gone is not replaced: its sockets may outlive it.
    if (!now || now->start_ns > time_ns + same_start_ns) return true;
    if (process.start_ns != 0 && same_start(now->start_ns, process.start_ns)) return true;
    remove(process);
    return false;
}

std::shared_ptr<Process> ProcessTable::find(uint32_t pid, std::string_view comm, int64_t time_ns) {
    if (pid == 0) return nullptr;
    std::shared_ptr<Process> process;
    if (const auto found = by_pid_.find(pid); found != by_pid_.end()) {
        process = *found->second->place;
        if (!current(*process, time_ns)) process = nullptr;
    }
    if (!process) {
        process = insert(pid, time_ns);
        if (!process) return nullptr;
        process->comm = text(comm, max_comm_bytes);
    }
    if (!process->program && !process->asked_proc) fill_from_proc(*process, time_ns);
    return process;
}

bool ProcessTable::prime(size_t count, int64_t time_ns) {
    if (!primed_) {
        primed_ = true;
        to_prime_ = proc_.list();
        if (to_prime_.size() > options_.max_processes / 2) to_prime_.resize(options_.max_processes / 2);
    }
    for (; count > 0 && !to_prime_.empty(); --count) {
        const uint32_t pid = to_prime_.back();
        to_prime_.pop_back();
        if (by_pid_.contains(pid)) continue;
        if (const auto process = find(pid, {}, time_ns); process && process->start_ns == 0) remove(*process);
    }
    if (!to_prime_.empty()) return true;
    std::vector<uint32_t>().swap(to_prime_);
    return false;
}

void ProcessTable::clock_stepped(int64_t by_ns, int64_t starts_by_ns) {
    for (const std::shared_ptr<Process>& process : order_) {
        if (process->start_ns != 0) process->start_ns += starts_by_ns;
        if (process->exit_ns != 0) process->exit_ns += by_ns;
        process->checked_ns += by_ns;
        touch(*process);
    }
    for (auto& gone : exited_) gone.first += by_ns;
    if (distrust_ns_ != 0) distrust_ns_ += by_ns;
}

void ProcessTable::expire(int64_t time_ns) {
    while (!exited_.empty() && exited_.front().first + options_.keep_ns < time_ns) {
        const std::shared_ptr<Process> gone = std::move(exited_.front().second);
        exited_.pop_front();
        if (!gone->replaced) remove(*gone);
    }
}

}  // namespace cvf::context
