#include "tap/endpoint_reports.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "host/clock.h"

namespace cvf::tap {

namespace {

constexpr uint64_t second_ns = 1'000'000'000;
constexpr size_t buffer_size = 32 * 1024;

}  // namespace

void Reports::detach() {
    abandon();
    for (bpf_link** link : {&sockets_, &peers_, &holders_})
        if (*link) bpf_link__destroy(std::exchange(*link, nullptr));
}

void Reports::abandon() {
    if (iteration_ >= 0) close(iteration_);
    iteration_ = -1;
    step_ = Step::none;
    carried_ = 0;
}

void Reports::attach(const Options& options, bpf_object* object, cvf_control* control) {
    options_ = options;
    object_ = object;
    control_ = control;
    peers_map_ = bpf_object__find_map_fd_by_name(object, "peers");
    released_map_ = bpf_object__find_map_fd_by_name(object, "released");
    holders_ = iterator("cvf_holders", nullptr);
    sockets_ = iterator("cvf_reports", "sockets");
    peers_ = iterator("cvf_peer_reports", "peers");
}

bpf_link* Reports::iterator(const char* name, const char* map) {
    bpf_program* program = bpf_object__find_program_by_name(object_, name);
    if (!program || bpf_program__fd(program) < 0) return nullptr;
    bpf_iter_link_info info{};
    bpf_iter_attach_opts options{};
    options.sz = sizeof options;
    if (map) {
        info.map.map_fd = static_cast<__u32>(bpf_object__find_map_fd_by_name(object_, map));
        options.link_info = &info;
        options.link_info_len = sizeof info;
    }
    return bpf_program__attach_iter(program, &options);
}

void Reports::read_all(bpf_link* link, std::vector<cvf_report>& reports) {
    if (!link) return;
    control_->report_all = 1;
    int fd = bpf_iter_create(bpf_link__fd(link));
    if (fd < 0) return;
    std::vector<uint8_t> buffer(2 * buffer_size);
    size_t kept = 0;
    for (;;) {
        ssize_t n = read(fd, buffer.data() + kept, buffer.size() - kept);
        if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        if (n <= 0) break;
        kept += static_cast<size_t>(n);
        size_t at = 0;
        for (; kept - at >= sizeof(cvf_report); at += sizeof(cvf_report))
            std::memcpy(&reports.emplace_back(), buffer.data() + at, sizeof(cvf_report));
        std::memmove(buffer.data(), buffer.data() + at, kept - at);
        kept -= at;
    }
    close(fd);
}

void Reports::find_holders() {
    std::vector<cvf_report> none;
    read_all(holders_, none);
}

std::vector<cvf_report> Reports::sockets() {
    std::vector<cvf_report> reports;
    read_all(sockets_, reports);
    return reports;
}

void Reports::start(uint64_t now) {
    next_whole_ = now + options_.seconds * second_ns;
    last_recent_ = now;
    next_recent_ = now + std::max(options_.seconds * second_ns / 6, second_ns);
    next_ends_ = now + second_ns;
}

void Reports::second(uint64_t now, bool lost) {
    for (uint64_t cookie : table_.take_released()) {
        const uint8_t one = 1;
        if (bpf_map_update_elem(released_map_, &cookie, &one, BPF_ANY) == 0) released_[cookie] = 0;
    }
    if (under_way()) return;
    // What was lost may have been an opening or a closing: look at all sockets now.
    if (sockets_ && (lost || now >= next_whole_))
        begin(Round::whole, now);
    else if (sockets_ && now >= next_recent_)
        begin(Round::recent, now);
    else if (peers_ && (!released_.empty() || now >= next_ends_ || table_.peers() > options_.most_peers / 2))
        begin(Round::ends, now);
}

void Reports::revise(uint64_t now) {
    abandon();
    tell_taken_up();  // the kernel takes these for told
    if (sockets_) begin(Round::whole, now);
}

void Reports::begin(Round round, uint64_t now) {
    round_ = round;
    // A silent peer makes room the sooner the less there is.
    const uint64_t peers = table_.peers(), most = options_.most_peers;
    const uint64_t idle = peers > most / 4 * 3 ? 2 : peers > most / 2 ? 5 : 15;
    control_->report_all = round == Round::whole;
    control_->active = round == Round::ends ? 0 : jiffies(now - last_recent_ + second_ns);
    control_->idle = jiffies(idle * second_ns);
    for (auto& [cookie, seen] : released_) seen = 1;
    if (round == Round::whole) {
        next_whole_ = now + std::max(options_.seconds, 1u) * second_ns;
        table_.iteration_begins();
    }
    if (round != Round::ends) {
        last_recent_ = now;
        next_recent_ = now + std::max(options_.seconds * second_ns / 6, second_ns);
    }
    next_ends_ = now + 5 * second_ns;
    step_ = round == Round::ends ? Step::none : Step::sockets;
    if (round == Round::ends)
        next();
    else
        iteration_ = bpf_iter_create(bpf_link__fd(sockets_));
    if (iteration_ < 0) step_ = Step::none;
}

// From the sockets to the peers, from those to the end.
void Reports::next() {
    if (iteration_ >= 0) close(iteration_);
    iteration_ = -1;
    carried_ = 0;
    tell_taken_up();
    if (step_ != Step::peers && peers_) {
        step_ = Step::peers;
        iteration_ = bpf_iter_create(bpf_link__fd(peers_));
        if (iteration_ >= 0) return;
    }
    finish();
}

void Reports::finish() {
    const bool with_peers = step_ == Step::peers;
    step_ = Step::none;
    if (round_ == Round::whole) table_.iteration_ends(static_cast<uint64_t>(host::monotonic_now()));
    if (!with_peers) return;
    boost::unordered::erase_if(released_, [&](const auto& r) {
        if (!r.second) return false;  // came while the round was under way
        bpf_map_delete_elem(released_map_, &r.first);
        return true;
    });
}

void Reports::step() {
    if (!under_way()) return;
    if (buffer_.empty()) buffer_.resize(buffer_size);
    ssize_t n = read(iteration_, buffer_.data() + carried_, buffer_.size() - carried_);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) return;
    if (n < 0) {
        // What has not been read is not gone: no end is concluded from this round.
        abandon();
        tell_taken_up();
        return;
    }
    if (n == 0) {
        next();
        return;
    }
    carried_ += static_cast<size_t>(n);
    size_t at = 0;
    for (; carried_ - at >= sizeof(cvf_report); at += sizeof(cvf_report)) {
        cvf_report r;
        std::memcpy(&r, buffer_.data() + at, sizeof r);
        take(r, step_ == Step::peers);
    }
    std::memmove(buffer_.data(), buffer_.data() + at, carried_ - at);
    carried_ -= at;
}

void Reports::take(const cvf_report& r, bool peer) {
    const bool passed_over = r.socket.flags & CVF_S_PASSED_OVER;
    const bool ended = peer && (r.now_jiffies - r.last_jiffies >= control_->idle || released_.contains(r.socket.parent_cookie));
    if (peer && (passed_over || ended)) remove_peer(r);
    if (r.socket.flags & CVF_S_TAKEN_UP)
        taken_up_.push_back(r);
    else if (ended && !passed_over)
        table_.closed(r);
    else
        table_.report(r);
}

void Reports::tell_taken_up() {
    if (!taken_up_.empty()) table_.existing(std::exchange(taken_up_, {}));
}

void Reports::remove_peer(const cvf_report& r) {
    cvf_peer_key key{};
    key.cookie = r.socket.parent_cookie;
    std::memcpy(key.local, r.socket.tuple.local, sizeof key.local);
    std::memcpy(key.remote, r.socket.tuple.remote, sizeof key.remote);
    key.local_port = r.socket.tuple.local_port;
    key.remote_port = r.socket.tuple.remote_port;
    key.family = r.socket.tuple.family;
    key.protocol = r.socket.tuple.protocol;
    bpf_map_delete_elem(peers_map_, &key);
}

void Reports::all() {
    abandon();
    std::vector<cvf_report> reports;
    read_all(sockets_, reports);
    for (const cvf_report& r : reports) take(r, false);
    tell_taken_up();
    reports.clear();
    read_all(peers_, reports);
    for (const cvf_report& r : reports) table_.report(r);
}

}  // namespace cvf::tap
