#include "tap/endpoint_sockets.h"

#include <algorithm>

#include "tap/endpoint_pairs.h"
#include "tap/endpoint_values.h"

namespace cvf::tap {

namespace {

constexpr size_t most_early = 1024, most_early_bytes = 16u << 20, most_children = 65536, most_withheld = 4096,
                 most_released = 4096, most_awaited = 4096;
// A SYN-ACK is repeated for about a minute; what has not become a connection in this time is told as what it is, half-open.
constexpr uint64_t handshake_wait = 8'000'000'000, early_wait = 1'000'000'000;
constexpr uint64_t half_open_cookie = 3ull << 62;

}  // namespace

SocketTable::SocketTable(const EndpointOptions& options, EndpointHandler& handler, const host::Clock& clock, Wants& wants)
    : options_(options), handler_(handler), clock_(clock), wants_(wants) {}

void SocketTable::event(decode::Bytes record) {
    auto head = value_at<cvf_event>(record);
    auto whole = [&]<typename T>(T*) { return record.size() >= sizeof(T); };
    switch (head.type) {
        case CVF_PAYLOAD:
        case CVF_HANDSHAKE: {
            if (!whole(static_cast<cvf_payload*>(nullptr))) return;
            auto p = value_at<cvf_payload>(record);
            decode::Bytes bytes = record.subspan(sizeof p);
            bytes = bytes.first(std::min<size_t>(bytes.size(), p.captured));
            if (head.type == CVF_PAYLOAD)
                payload(p, bytes);
            else
                handshake(p, bytes);
            return;
        }
        case CVF_OPENED:
        case CVF_LISTEN:
            if (!whole(static_cast<cvf_opened*>(nullptr))) return;
            if (head.type == CVF_OPENED) {
                opened(value_at<cvf_opened>(record));
            } else {
                auto o = value_at<cvf_opened>(record);
                listen(o);
                state_changed(o, tcp_state_close, tcp_state_listen);
            }
            return;
        case CVF_OWNER:
            if (whole(static_cast<cvf_owner_event*>(nullptr))) owner(value_at<cvf_owner_event>(record));
            return;
        case CVF_CLOSED:
            if (whole(static_cast<cvf_report*>(nullptr))) closed(value_at<cvf_report>(record));
            return;
        case CVF_TCP:
            if (whole(static_cast<cvf_tcp_event*>(nullptr))) tcp(value_at<cvf_tcp_event>(record), false);
            return;
        case CVF_PROCESS:
            if (whole(static_cast<cvf_process_event*>(nullptr)))
                handler_.process(
                    process_of(value_at<cvf_process_event>(record), record.subspan(sizeof(cvf_process_event)), clock_));
            return;
        default:
            return;
    }
}

// What no packet tells: a socket begins or ends listening. From the events there are anyway: a program at every change of every
// state would cost each connection ten runs.
void SocketTable::state_changed(const cvf_opened& o, uint8_t from, uint8_t to) {
    const bool own = o.flags & CVF_S_OWN;
    if (!options_.tcp_events || (own && !options_.watch_self)) return;
    cvf_tcp_event e{};
    e.event = o.event;
    e.tuple = o.tuple;
    e.owner = o.owner;
    e.kind = CVF_STATE;
    e.old_state = from;
    e.new_state = to;
    tcp(e, own);
}

// A connection to the agent itself, told by where it goes: at once, where pairing takes until it is accepted. An address of
// another machine at which the agent has a wildcard listener here is none.
bool SocketTable::reaches_own_listener(const Socket& s) const {
    if (s.ip_protocol != 6 || !(is_loopback(s.family, s.remote) || s.remote == s.local)) return false;
    const Listeners::Found l = listeners_.find(0, s.netns, s.family, s.remote, s.remote_port);
    return l.one && l.one->own;
}

void SocketTable::open(const cvf_opened& o, Known& k) {
    uint64_t cookie = o.event.cookie;
    k.round = round_;
    k.own = o.flags & CVF_S_OWN;
    k.elsewhere = o.flags & CVF_S_ELSEWHERE;
    k.owner_pid = o.owner.pid;
    k.parent = o.parent_cookie;
    Socket s = socket_of(o.tuple, o.event.netns, cookie);
    s.owner = owner_of(o.owner);
    s.role = o.flags & CVF_S_CLIENT ? Role::client : o.flags & CVF_S_SERVER ? Role::server : Role::unknown;
    s.existed = o.flags & CVF_S_EXISTED;
    s.peer_cookie = o.peer_cookie;
    if (o.tuple.protocol == 6 && s.role != Role::client) {
        uint64_t listener = o.listener_cookie;
        if (!listener && o.isn_in)
            if (const Handshake* h = handshakes_.find(o.event.netns, o.isn_in)) listener = h->listener;
        const Listeners::Found l = listener_of(s, listener);
        if (l.any) s.role = Role::server;
        // Until somebody accepts, the connection is the listener's.
        if (l.one && !o.owner.pid) {
            s.owner = l.one->owner;
            k.own = l.one->own;
        }
    }
    if (s.role == Role::unknown && s.existed) s.role = Role::client;
    s.own = k.own;
    k.child_at = no_child;
    if (cookie & CVF_SYNTHETIC) peers_++;
    if (k.parent) {
        auto& list = children_[k.parent];
        if (list.size() < most_children) {
            k.child_at = static_cast<uint32_t>(list.size());
            list.push_back(cookie);
        }
    }
    k.told = options_.watch_self || !(k.own || (s.role != Role::server && reaches_own_listener(s)));
    if (k.told)
        handler_.opened(s, clock_.utc(o.event.time));
    else if (withheld_.size() < most_withheld)
        withheld_[cookie] = s;
}

void SocketTable::opened(const cvf_opened& o) {
    if (known_.size() >= options_.max_sockets * 2ull) {
        unmatched_++;
        return;
    }
    auto [at, fresh] = known_.try_emplace(o.event.cookie);
    if (!fresh && at->second.passed_over) {
        // Wanted again: another conversation, as far as anybody is told.
        forget(o.event.cookie);
        at = known_.try_emplace(o.event.cookie).first;
        fresh = true;
    }
    // Not so when an iterator's report was faster than its opening, whose handshake and pair are still to be told.
    if (fresh) open(o, at->second);
    const bool quiet = !at->second.told;
    if (o.isn_in && o.flags & CVF_S_SERVER) {
        if (const Handshake* h = handshakes_.find(o.event.netns, o.isn_in)) {
            if (!quiet && !at->second.elsewhere) deliver(o.event.cookie, h->packets);
            handshakes_.remove(o.event.netns, o.isn_in);
        }
    }
    if (o.peer_cookie) pair(o.peer_cookie, o.event.cookie, o.event.time);
    if (auto awaited = awaited_.find(o.event.cookie); awaited != awaited_.end()) {
        const uint64_t other = awaited->second;
        awaited_.erase(awaited);
        pair(o.event.cookie, other, o.event.time);
    }
    auto e = early_.find(o.event.cookie);
    if (e != early_.end()) {
        if (known_.find(o.event.cookie)->second.told) deliver(o.event.cookie, e->second.packets);
        early_bytes_ -= e->second.packets.size();
        early_.erase(e);
    }
}

void SocketTable::pair(uint64_t payload_cookie, uint64_t other, uint64_t time) {
    auto a = known_.find(payload_cookie), b = known_.find(other);
    if (b == known_.end()) return;
    if (b->second.passed_over || (a != known_.end() && a->second.passed_over)) return;
    b->second.elsewhere = true;
    if (a == known_.end()) {
        // Its opening was lost: a report will bring it.
        if (awaited_.size() < most_awaited) awaited_[payload_cookie] = other;
        return;
    }
    if (a->second.peer == other) return;
    a->second.peer = other;
    b->second.peer = payload_cookie;
    if (!a->second.told || !b->second.told) {
        // What is not told at one end is not to be told at the other.
        withhold(payload_cookie, a->second, time);
        withhold(other, b->second, time);
        return;
    }
    handler_.paired(payload_cookie, other, clock_.utc(time));
}

void SocketTable::withhold(uint64_t cookie, Known& k, uint64_t time) {
    wants_.verdict(cookie, false, Verdict::none);
    wants_.verdict(cookie, true, Verdict::none);
    if (!k.told) return;
    k.told = false;
    handler_.withdrawn(cookie, clock_.utc(time));
}

// It was taken for the agent's, and is not. The other end was kept back for this one's sake. What has been withdrawn stays so.
void SocketTable::reveal(uint64_t cookie, Known& k, uint64_t time) {
    auto w = withheld_.find(cookie);
    auto p = known_.find(k.peer);
    if (k.told || w == withheld_.end() || (p != known_.end() && p->second.own)) return;
    Socket s = w->second;
    withheld_.erase(w);
    s.own = false;
    k.told = true;
    handler_.opened(s, clock_.utc(time));
    wants_.forget(cookie);
    if (p == known_.end()) return;
    wants_.forget(k.peer);
    reveal(k.peer, p->second, time);
    if (!p->second.told) return;
    const bool mine = p->second.elsewhere;
    handler_.paired(mine ? cookie : k.peer, mine ? k.peer : cookie, clock_.utc(time));
}

void SocketTable::owner(const cvf_owner_event& e) {
    auto tell = [&](uint64_t cookie) {
        auto at = known_.find(cookie);
        if (at == known_.end() || at->second.owner_pid == e.owner.pid) return;
        Known& k = at->second;
        k.owner_pid = e.owner.pid;
        const bool was = std::exchange(k.own, (e.flags & CVF_S_OWN) != 0);
        if (was && !k.own) reveal(cookie, k, e.event.time);
        if (k.told) handler_.owner_changed(cookie, owner_of(e.owner), clock_.utc(e.event.time));
    };
    tell(e.event.cookie);
    auto list = children_.find(e.event.cookie);
    if (list == children_.end()) return;
    for (uint64_t child : list->second) tell(child);
}

void SocketTable::owner_of_report(const cvf_report& r) {
    const auto k = known_.find(r.socket.event.cookie);
    if (!r.socket.owner.pid || k == known_.end() || r.socket.owner.pid == k->second.owner_pid) return;
    cvf_owner_event e{};
    e.event = r.socket.event;
    e.owner = r.socket.owner;
    e.flags = r.socket.flags;
    owner(e);
}

void SocketTable::payload(const cvf_payload& p, decode::Bytes packet) {
    auto k = known_.find(p.event.cookie);
    if (k == known_.end()) {
        // Faster than its opening on another CPU, or the opening was lost: then the next report brings it.
        if (early_.size() >= most_early && !early_.contains(p.event.cookie)) {
            unmatched_++;
            return;
        }
        Early& early = early_[p.event.cookie];
        if (!early.since) early.since = p.event.time;
        if (early_bytes_ + packet.size() <= most_early_bytes && early.packets.add(p, packet))
            early_bytes_ += packet.size();
        else
            unmatched_++;
        return;
    }
    if (k->second.elsewhere || !k->second.told) return;
    payload_bytes_ += packet.size();
    handler_.payload({p.event.cookie, clock_.utc(p.event.time), p.event.egress != 0, packet, p.length});
}

void SocketTable::handshake(const cvf_payload& p, decode::Bytes packet) {
    if (!handshakes_.add(p, packet)) unmatched_++;
}

void SocketTable::deliver(uint64_t cookie, const HeldPackets& packets) {
    for (const HeldPackets::Held& p : packets.all()) {
        payload_bytes_ += p.captured;
        handler_.payload({cookie, clock_.utc(p.time), p.egress, packets.bytes(p), p.length});
    }
}

// Nothing came of it: a scan, a flood, a full queue. It is a conversation all the same.
void SocketTable::half_opened(const Handshake& h, uint64_t time) {
    auto s = half_open(h);
    if (!s) return;
    s->cookie = half_open_cookie | ++half_opens_;
    if (const Listener* l = listener_of(*s, h.listener).one) {
        if (l->own && !options_.watch_self) return;
        s->owner = l->owner;
        s->own = l->own;
    }
    const Counters c = counters_of(h, clock_);
    handler_.opened(*s, c.first_ns);
    deliver(s->cookie, h.packets);
    handler_.counters(s->cookie, c, true, clock_.utc(time));
}

void SocketTable::expire(uint64_t time, bool all) {
    const auto before = [&](uint64_t wait) { return all ? UINT64_MAX : time > wait ? time - wait : 0; };
    handshakes_.expire(before(handshake_wait), [&](const Handshake& h) { half_opened(h, time); });
    boost::unordered::erase_if(early_, [&](const auto& e) {
        if (e.second.since >= before(early_wait)) return false;
        unmatched_ += e.second.packets.all().size();
        early_bytes_ -= e.second.packets.size();
        return true;
    });
}

void SocketTable::listen(const cvf_opened& o) {
    const Socket s = socket_of(o.tuple, o.event.netns, o.event.cookie);
    listeners_.add({s.cookie, owner_of(o.owner), (o.flags & CVF_S_OWN) != 0, s.netns, round_, s.family, s.local_port, s.local});
}

void SocketTable::counters(const cvf_report& r, bool is_closed) {
    handler_.counters(r.socket.event.cookie, counters_of(r, clock_, tick_ns_), is_closed, clock_.utc(r.socket.event.time));
}

void SocketTable::forget(uint64_t cookie) {
    auto k = known_.find(cookie);
    if (k == known_.end()) return;
    wants_.forget(cookie);
    withheld_.erase(cookie);
    if (cookie & CVF_SYNTHETIC) peers_--;
    // It may be waiting for an other end that has gone unseen.
    if (k->second.elsewhere && k->second.peer == 0 && !awaited_.empty())
        boost::unordered::erase_if(awaited_, [&](const auto& a) { return a.second == cookie; });
    if (auto own_list = children_.find(cookie); own_list != children_.end()) {
        for (uint64_t child : own_list->second)
            if (auto c = known_.find(child); c != known_.end()) c->second.child_at = no_child;
        children_.erase(own_list);
    }
    if (auto list = children_.find(k->second.parent); k->second.child_at != no_child && list != children_.end()) {
        // The last one takes its place: a server's peers are many.
        std::vector<uint64_t>& all = list->second;
        const uint32_t at = k->second.child_at;
        all[at] = all.back();
        known_.find(all[at])->second.child_at = at;
        all.pop_back();
        if (all.empty()) children_.erase(list);
    }
    known_.erase(k);
}

void SocketTable::closed(const cvf_report& r) {
    uint64_t cookie = r.socket.event.cookie;
    if (r.socket.tuple.state == tcp_state_listen || r.socket.flags & CVF_S_LISTENER) listeners_.remove(cookie);
    if (r.socket.flags & CVF_S_PEERS && released_.size() < most_released) released_.push_back(cookie);
    if (r.socket.flags & CVF_S_LISTENER && !(r.socket.flags & CVF_S_MET))
        state_changed(r.socket, tcp_state_listen, tcp_state_close);
    auto k = known_.find(cookie);
    if (k == known_.end()) {
        // The opening was lost; the report has all of it, unless it came from a hook that may not read the tuple.
        if (!r.socket.tuple.family || !(r.socket.flags & CVF_S_MET)) return;
        opened(r.socket);
        k = known_.find(cookie);
        if (k == known_.end()) return;
    }
    owner_of_report(r);
    if (k->second.told) counters(r, true);
    forget(cookie);
}

// The kernel tells nothing more of it. The cookie is remembered for two rounds, for what was under way.
void SocketTable::passed_over(const cvf_report& r) {
    const uint64_t cookie = r.socket.event.cookie;
    auto k = known_.find(cookie);
    if (k == known_.end() || k->second.passed_over) return;
    Known& known = k->second;
    wants_.forget(cookie);
    withheld_.erase(cookie);
    known.round = round_;
    known.passed_over = true;
    if (std::exchange(known.told, false))
        handler_.passed_over(cookie, counters_of(r, clock_, tick_ns_), clock_.utc(r.socket.event.time));
}

void SocketTable::report(const cvf_report& r) {
    if (r.socket.tuple.state == tcp_state_listen) listen(r.socket);
    if (r.socket.flags & CVF_S_PASSED_OVER) return passed_over(r);
    if (!(r.socket.flags & CVF_S_MET)) return;
    uint64_t cookie = r.socket.event.cookie;
    auto k = known_.find(cookie);
    if (k == known_.end() || k->second.passed_over) {
        opened(r.socket);
        k = known_.find(cookie);
        if (k == known_.end()) return;
    }
    Known& known = k->second;
    known.round = round_;
    owner_of_report(r);
    bool same = known.packets_out == r.packets_out && known.packets_in == r.packets_in;
    known.packets_out = r.packets_out;
    known.bytes_out = r.bytes_out;
    known.packets_in = r.packets_in;
    known.bytes_in = r.bytes_in;
    if (!same && known.told) counters(r, false);
}

void SocketTable::iteration_ends(uint64_t time) {
    std::vector<uint64_t> gone;
    for (const auto& [cookie, k] : known_)
        if (k.round + 2 <= round_) gone.push_back(cookie);
    for (uint64_t cookie : gone) {
        const Known& k = known_[cookie];
        if (k.told) {
            Counters c;
            c.packets_out = k.packets_out;
            c.bytes_out = k.bytes_out;
            c.packets_in = k.packets_in;
            c.bytes_in = k.bytes_in;
            handler_.counters(cookie, c, true, clock_.utc(time));
        }
        forget(cookie);
    }
    listeners_.end_round(round_);
}

void SocketTable::existing(const std::vector<cvf_report>& reports) {
    for (const cvf_report& r : reports)
        if (r.socket.tuple.state == tcp_state_listen && r.socket.tuple.protocol == 6) listen(r.socket);
    for (const cvf_report& r : reports) report(r);
    for (const auto& [first, second] : connected_pairs(reports)) {
        const bool server = listener_of(socket_of(second->socket.tuple, second->socket.event.netns, 0), 0).any;
        const uint64_t keeps = (server ? first : second)->socket.event.cookie;
        const uint64_t other = (server ? second : first)->socket.event.cookie;
        pair(keeps, other, second->socket.event.time);
        wants_.verdict(other, false, Verdict::none);
        wants_.verdict(other, true, Verdict::none);
    }
}

void SocketTable::tcp(const cvf_tcp_event& e, bool own) {
    auto k = known_.find(e.event.cookie);
    const bool known = k != known_.end() && !k->second.passed_over;
    if (known && !k->second.told) return;
    TcpEvent t{};
    t.kind = static_cast<TcpEventKind>(e.kind);
    t.time_ns = clock_.utc(e.event.time);
    t.cookie = known ? e.event.cookie : 0;  // not met yet, or closed already: the tuple tells
    t.socket = socket_of(e.tuple, e.event.netns, t.cookie);
    t.socket.owner = owner_of(e.owner);
    t.socket.own = own || (known && k->second.own);
    t.sent = e.event.egress;
    if (!e.owner.pid && t.socket.netns) {
        if (const Listener* l = listener_of(t.socket, e.event.cookie).one) {
            if (l->own && !options_.watch_self) return;
            t.socket.owner = l->owner;
            t.socket.own = l->own;
        }
    }
    t.old_state = e.old_state;
    t.new_state = e.new_state;
    t.reason = e.reason;
    handler_.tcp_event(t);
}

}  // namespace cvf::tap
