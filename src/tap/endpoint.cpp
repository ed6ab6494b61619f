#include "tap/endpoint.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <ctime>
#include <mutex>
#include <vector>

#include "bpf/shared.h"
#include "host/cgroup.h"
#include "host/clock.h"
#include "host/process.h"
#include "tap/endpoint_load.h"
#include "tap/endpoint_reports.h"
#include "tap/endpoint_ring.h"
#include "tap/endpoint_selector.h"
#include "tap/endpoint_sockets.h"
#include "tap/endpoint_wants.h"
#include "tap/events.h"

namespace cvf::tap {

namespace {

// Events wait at most this long in a buffer that does not fill.
constexpr int latency_ms = 8;
constexpr uint64_t most_buffers = 64 << 20;

// How many buffers it takes for each CPU to have its own: their numbers may have holes, and a container may be shown fewer than
// there are. Not for those that may yet come: a buffer costs memory whether it is used or not.
uint32_t cpu_numbers() {
    auto most = static_cast<uint32_t>(std::max(sysconf(_SC_NPROCESSORS_CONF), 1l));
    if (const auto present = host::read_file("/sys/devices/system/cpu/present", 4096)) {  // "0-3,8-11"
        const size_t at = present->find_last_of("-,");
        uint32_t last = 0;
        const char* begin = present->data() + (at == std::string::npos ? 0 : at + 1);
        if (std::from_chars(begin, present->data() + present->size(), last).ec == std::errc() && last < 65536)
            most = std::max(most, last + 1);
    }
    return most;
}

// A jiffy: the resolution of the coarse clocks.
uint64_t tick_ns() {
    static const uint64_t ns = [] {
        timespec t{};
        clock_getres(CLOCK_MONOTONIC_COARSE, &t);
        return static_cast<uint64_t>(t.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(t.tv_nsec);
    }();
    return ns;
}

class Tap final : public EndpointTap {
 public:
    Tap(const EndpointOptions& options, EndpointHandler& handler)
        : options_(options), table_(options_, handler, clock_, wants_), handler_(handler), reports_(table_) {}

    ~Tap() override {
        for (auto l = links_.rbegin(); l != links_.rend(); ++l) bpf_link__destroy(*l);
        reports_.detach();
        ring_.reset();
        if (control_) munmap(control_, control_size());
        if (mapped_) munmap(mapped_, mapped_size_);
        if (events_) bpf_object__close(events_);
        if (object_) bpf_object__close(object_);
    }

    std::expected<void, std::string> start();
    int poll(int timeout_ms) override;
    void set_want(uint64_t cookie, bool egress, Verdict v) override { wants_.verdict(cookie, egress, v); }
    void skip_to(uint64_t cookie, bool egress, uint64_t offset) override { wants_.skip(cookie, egress, offset); }
    void set_payload(bool on) override;
    bool set_selector(const Selector& selector) override;
    void report() override;
    EndpointStats stats() const override;

 private:
    bpf_program* program(const char* name) const { return object_ ? bpf_object__find_program_by_name(object_, name) : nullptr; }
    bool loaded(const char* name) const {
        bpf_program* p = program(name);
        return p && bpf_program__fd(p) >= 0;
    }
    int map(const char* name) const { return bpf_object__find_map_fd_by_name(object_, name); }
    bool attach(bpf_program* p);
    std::expected<void, std::string> map_control();
    void load_events(uint32_t ring_size, uint32_t secret, bool subtree);
    static size_t control_size() { return static_cast<size_t>(sysconf(_SC_PAGESIZE)); }
    uint64_t counted(uint32_t what) const;

    EndpointOptions options_;
    host::Clock clock_;
    Wants wants_;
    SocketTable table_;
    EndpointHandler& handler_;
    std::unique_ptr<EventRing> ring_;
    bpf_object *object_ = nullptr, *events_ = nullptr;
    std::vector<bpf_link*> links_;
    cvf_control* control_ = nullptr;
    KernelSelector selector_;
    Selector selects_;            // in force
    uint32_t payload_turns_ = 0;  // how often payload has been turned on, 1 to 255; under payload_lock_
    std::mutex payload_lock_;
    void* mapped_ = nullptr;
    size_t mapped_size_ = 0;
    std::vector<cvf_report> existing_;
    bool more_ = false, first_ = true, old_ = false;
    uint64_t next_second_ = 0, last_lost_ = 0;
    Reports reports_;
};

bool Tap::attach(bpf_program* p) {
    if (!p || bpf_program__fd(p) < 0) return false;
    bpf_link* link = bpf_program__attach(p);
    if (!link) return false;
    links_.push_back(link);
    return true;
}

std::expected<void, std::string> Tap::start() {
    auto tree = host::CgroupTree::open(options_.cgroup);
    if (!tree) return std::unexpected(tree.error());
    const uint32_t cpus = cpu_numbers();
    uint32_t ring_size = std::bit_ceil(std::clamp(options_.buffer_pages, 64u, 16384u)) * 4096u;
    while (ring_size > 256 * 1024 && uint64_t{ring_size} * cpus > most_buffers) ring_size /= 2;
    uint32_t secret = 0;
    if (getrandom(&secret, sizeof secret, 0) != sizeof secret) secret = static_cast<uint32_t>(host::monotonic_now());
    uint32_t lines = std::bit_ceil(std::max(options_.max_sockets / 2, 64u));
    bool subtree = !tree->is_root();
    const uint32_t most_peers = std::max(options_.max_sockets / 2, 1024u);
    auto prepare = [&](bpf_object* o, const std::vector<ProgramProbe>& failing) {
        set_variable(o, "own_at_create", fails(failing, "cvf_sockops"));
        for (const char* name : owners_by_other_means(failing))
            if (bpf_program* p = bpf_object__find_program_by_name(o, name)) bpf_program__set_autoload(p, true);
        set_variable(o, "payload_full", options_.payload_full);
        set_variable(o, "first_bytes", options_.first_bytes);
        set_variable(o, "turn_bytes", options_.turn_bytes);
        set_variable(o, "want_mask", lines - 1);
        set_variable(o, "jiffies_per_second", static_cast<uint32_t>(1'000'000'000 / tick_ns()));
        set_variable(o, "subtree", subtree);
        set_variable(o, "watch_self", options_.watch_self);
        set_variable(o, "own_pid", static_cast<uint32_t>(getpid()));
        set_variable(o, "ring_mask", ring_size - 1);
        set_variable(o, "ring_secret", secret);
        bpf_map__set_max_entries(bpf_object__find_map_by_name(o, "rings"), cpus);
        bpf_map__set_value_size(bpf_object__find_map_by_name(o, "rings"), CVF_RING_HEADER + ring_size + CVF_RING_SLACK);
        bpf_map__set_max_entries(bpf_object__find_map_by_name(o, "wants"), lines);
        bpf_map__set_max_entries(bpf_object__find_map_by_name(o, "peers"), most_peers);
    };
    std::vector<ProgramProbe> without;
    std::string error;
    object_ = load_object(endpoint_object(), prepare, without, error);
    if (!object_ || !loaded("cvf_egress")) {
        if (object_) bpf_object__close(object_);
        without.clear();
        old_ = true;
        object_ = load_object(endpoint_object(true), prepare, without, error);
    }
    if (!object_ || !loaded("cvf_egress") || !loaded("cvf_ingress")) {
        // libbpf's own words on a refusal point at memory limits, which is a false trail.
        bool refused = false;
        for (const ProgramProbe& p : without) {
            if (p.program != "cvf_egress") continue;
            refused = p.error == EPERM || p.error == EACCES;
            error = refused || p.reason.empty() ? std::strerror(p.error) : p.reason;
        }
        return std::unexpected(fmt::format("cannot load the endpoint tap: {}{}", error,
                                           refused ? " (needs root, or CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON)" : ""));
    }
    table_.set_tick(tick_ns());
    if (auto mapped = map_control(); !mapped) return mapped;

    mapped_size_ = lines * sizeof(cvf_want_line);
    mapped_ = mmap(nullptr, mapped_size_, PROT_READ | PROT_WRITE, MAP_SHARED, map("wants"), 0);
    if (mapped_ == MAP_FAILED) {
        mapped_ = nullptr;
        return std::unexpected(fmt::format("cannot map the verdict table: {}", std::strerror(errno)));
    }
    wants_ = Wants(static_cast<cvf_want_line*>(mapped_), lines);
    auto ring = EventRing::open(map("rings"), cpus, ring_size, secret);
    if (!ring) return std::unexpected(ring.error());
    ring_ = std::move(*ring);

    if (subtree)
        for (uint64_t id : tree->ids()) {
            uint8_t one = 1;
            bpf_map_update_elem(map("subtree_ids"), &id, &one, BPF_ANY);
        }
    // Owners first, then the sockets that are there, then their packets: so nothing is met without its owner that could be with
    // it.
    auto to_cgroup = [&](const char* name) {
        if (!loaded(name)) return false;
        bpf_link* link = bpf_program__attach_cgroup(program(name), tree->fd());
        if (link) links_.push_back(link);
        return link != nullptr;
    };
    for (const char* name : {"cvf_sock_create", "cvf_sock_release", "cvf_sockops"}) to_cgroup(name);
    for (const char* name : {"cvf_send", "cvf_receive", "cvf_send4", "cvf_send6", "cvf_sendpage", "cvf_receive4", "cvf_receive6",
                             "cvf_read", "cvf_destroy"})
        attach(program(name));
    load_events(ring_size, secret, subtree);
    reports_.attach({options_.report_seconds, most_peers, tick_ns()}, object_, control_);
    reports_.find_holders();
    existing_ = reports_.sockets();
    for (const char* name : {"cvf_egress", "cvf_ingress"})
        if (!to_cgroup(name))
            return std::unexpected(fmt::format("cannot attach to the cgroup v2 tree{}{}: {}",
                                               options_.cgroup.empty() ? "" : " at ", options_.cgroup, std::strerror(errno)));
    reports_.start(static_cast<uint64_t>(host::monotonic_now()));
    return {};
}

// The programs' variables that change while they run.
std::expected<void, std::string> Tap::map_control() {
    void* p = mmap(nullptr, control_size(), PROT_READ | PROT_WRITE, MAP_SHARED, map(".data.control"), 0);
    if (p == MAP_FAILED) return std::unexpected(fmt::format("cannot map the programs' variables: {}", std::strerror(errno)));
    control_ = static_cast<cvf_control*>(p);
    control_->payload = 0;
    control_->report_all = 1;
    if (options_.payload) set_payload(true);
    selector_.attach(map("selector_ports"), map("selector_prefixes"), control_);
    return {};
}

bool Tap::set_selector(const Selector& selector) {
    if (selector == selects_) return true;
    const bool can = reports_.can_revise() && selector_.put(selector);
    selects_ = can ? selector : Selector();
    reports_.revise(static_cast<uint64_t>(host::monotonic_now()));
    return can;
}

void Tap::set_payload(bool on) {
    const std::lock_guard guard(payload_lock_);
    if (on == (control_->payload != 0)) return;
    if (on) payload_turns_ = payload_turns_ % 255 + 1;
    __atomic_store_n(&control_->payload, on ? payload_turns_ : 0, __ATOMIC_RELAXED);
}

void Tap::load_events(uint32_t ring_size, uint32_t secret, bool subtree) {
    if (!options_.tcp_events && !options_.process_events) return;
    auto prepare = [&](bpf_object* o, const std::vector<ProgramProbe>& failing) {
        set_variable(o, "subtree", subtree);
        set_variable(o, "watch_self", options_.watch_self);
        set_variable(o, "last_unsaid", drop_reason_number("NOT_SPECIFIED").value_or(2));
        set_variable(o, "overflow_reason", drop_reason_number("TCP_LISTEN_OVERFLOW").value_or(0));
        set_variable(o, "quiet_reason", drop_reason_number("QUEUE_PURGE").value_or(0));
        set_variable(o, "ring_mask", ring_size - 1);
        set_variable(o, "ring_secret", secret);
        for (const char* name : {"sockets", "rings", "counts"})
            if (bpf_map* m = bpf_object__find_map_by_name(o, name)) bpf_map__reuse_fd(m, map(name));
        bpf_program* p = nullptr;
        bpf_object__for_each_program(p, o) {
            std::string_view name = bpf_program__name(p);
            bool process = name == "cvf_exec" || name == "cvf_fork" || name == "cvf_exit";
            bool instead = name == "cvf_state";  // only where the other does not load
            bpf_program__set_autoload(p, process   ? options_.process_events
                                         : instead ? options_.tcp_events && fails(failing, "cvf_failed")
                                                   : options_.tcp_events);
        }
    };
    std::vector<ProgramProbe> without;
    std::string error;
    events_ = load_object(events_object(old_), prepare, without, error);
    if (!events_) return;
    bpf_program* p = nullptr;
    bpf_object__for_each_program(p, events_) attach(p);
}

int Tap::poll(int timeout_ms) {
    if (first_) {
        first_ = false;
        table_.existing(existing_);
        existing_ = {};
    }
    int limit = reports_.under_way() ? 0 : more_ ? 1 : latency_ms;
    ring_->wait(timeout_ms < 0 ? limit : std::min(timeout_ms, limit));
    uint64_t before = ring_->delivered();
    uint64_t upto = ring_->drain([this](decode::Bytes record) { table_.event(record); }, more_);
    auto now = static_cast<uint64_t>(host::monotonic_now());
    reports_.step();
    if (now >= next_second_) {
        next_second_ = now + 1'000'000'000;
        if (int64_t step = clock_.sample()) handler_.clock_stepped(step, clock_.utc(upto));
        table_.expire(upto);
        uint64_t lost = counted(CVF_C_LOST);
        reports_.second(now, lost != last_lost_);
        last_lost_ = lost;
    }
    handler_.caught_up(clock_.utc(upto));
    return static_cast<int>(std::min<uint64_t>(ring_->delivered() - before, INT32_MAX));
}

void Tap::report() {
    // Events younger than the merge's slack are held back; wait until all up to now are out.
    const auto start = static_cast<uint64_t>(host::monotonic_now());
    uint64_t upto = 0;
    for (int i = 0; i < 50 && upto < start; i++) {
        if (i) ring_->wait(1);
        upto = ring_->drain([this](decode::Bytes record) { table_.event(record); }, more_);
    }
    reports_.all();
    table_.expire(upto, true);
}

uint64_t Tap::counted(uint32_t what) const {
    static const int cpus = libbpf_num_possible_cpus();
    std::vector<uint64_t> each(static_cast<size_t>(std::max(cpus, 1)));
    if (bpf_map_lookup_elem(map("counts"), &what, each.data())) return 0;
    uint64_t sum = 0;
    for (uint64_t n : each) sum += n;
    return sum;
}

EndpointStats Tap::stats() const {
    EndpointStats s;
    s.events = ring_->delivered();
    s.lost_events = counted(CVF_C_LOST) + table_.unmatched();
    s.late_events = ring_->late();
    s.untracked_sockets = counted(CVF_C_UNTRACKED);
    s.payload_bytes = table_.payload_bytes();
    s.drops_untold = counted(CVF_C_DROPS_UNSAID);
    s.handshake_packets_cut = table_.handshakes_cut();
    s.verdicts_without_room = wants_.no_room();
    s.packets_passed_over = counted(CVF_C_PASSED_OVER);
    s.sockets_passed_over = counted(CVF_C_SOCKETS_PASSED_OVER);
    return s;
}

}  // namespace

std::expected<std::unique_ptr<EndpointTap>, std::string> EndpointTap::open(const EndpointOptions& options,
                                                                           EndpointHandler& handler) {
    auto tap = std::make_unique<Tap>(options, handler);
    if (auto started = tap->start(); !started) return std::unexpected(started.error());
    return tap;
}

}  // namespace cvf::tap
