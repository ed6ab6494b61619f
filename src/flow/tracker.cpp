#include "flow/tracker.h"

#include <algorithm>

#include "flow/community_id.h"
#include "flow/conversation.h"
#include "flow/sctp.h"

namespace cvf::flow {

namespace {
constexpr int64_t second = 1'000'000'000;
constexpr int64_t clock_jitter = 10 * second;  // further back than this, the clock was set
}  // namespace

Tracker::Tracker(const Options& options, Output& output)
    : options_(options),
      shortest_idle_(
          std::min({options.tcp_idle, options.tcp_half_open, options.tcp_closed, options.datagram_idle, options.icmp_idle})),
      output_(output) {
    budget_.limit = options.reassembly_bytes;
    counters_.violations.resize(protocol::all_protocols().size());
    table_.reserve(std::min<size_t>(options.max_flows, 4096));
}

Tracker::~Tracker() {
    for (Flow* f : oldest_)
        while (f) delete std::exchange(f, f->newer);
}

void Tracker::packet(const decode::Packet& p) {
    arrived(p, {});
}

void Tracker::packet(const decode::Packet& p, std::span<const std::string_view> comments) {
    arrived(p, comments);
}

// Twice in the program, so that a packet without comments pays nothing for those that have some.
[[gnu::always_inline]] inline void Tracker::arrived(const decode::Packet& p, std::span<const std::string_view> comments) {
    if (p.time > now_) move_time(p.time);
    if (decode::family(p) == 0) {
        counters_.no_ip++;
        return;
    }
    Key key;
    const int from = make_key(p, key) ? 0 : 1;
    Flow* flow = find(key);
    if (flow && is_over(*flow, from, p)) [[unlikely]] {
        destroy(*flow, end_reason(*flow, EndReason::idle));
        flow = nullptr;
    }
    if (!flow) [[unlikely]]
        flow = begin(p, key, from);
    last_used_ = flow;
    End& end = flow->ends[from];
    end.packets++;
    end.bytes += p.ip_length;
    if ((p.vlan_count | p.mpls_count | p.tunnel_count) != 0 || p.fragment_count != 0 || p.faults != 0) [[unlikely]]
        remember_extras(*flow, p);
    if (!comments.empty()) remember_comments(*flow, comments);
    segment(*flow, from, p);
}

void Tracker::segment(Flow& flow, int end, const decode::Packet& p) {
    flow.last = std::max(flow.last, p.time);
    if (p.has_transport && p.ip_protocol == decode::ip_protocol::tcp)
        tcp_segment(flow, end, p);
    else
        datagram(flow, end, p);
}

[[gnu::always_inline]] inline Flow* Tracker::find(const Key& key) {
    if (last_used_ && last_used_->key == key) return last_used_;
    auto it = table_.find(key);
    return it != table_.end() ? it->second : nullptr;
}

// The same ports again: a SYN with another sequence number, or anything after the idle limit, begins a new conversation.
inline bool Tracker::is_over(const Flow& flow, int from, const decode::Packet& p) const {
    const int64_t silent = p.time - flow.last;
    if (silent > shortest_idle_ && silent > idle_limit(flow)) [[unlikely]]
        return true;
    const bool syn = p.has_transport && p.ip_protocol == decode::ip_protocol::tcp &&
                     (p.tcp.flags & (decode::tcp_syn | decode::tcp_rst)) == decode::tcp_syn;
    return syn && begins_anew(flow, from, p);
}

// A conversation whose first packet this is.
Flow* Tracker::begin(const decode::Packet& p, const Key& key, int from) {
    if (live_flows_ >= options_.max_flows) evict_one();
    Flow* flow = create(key, p.time, false);
    table_.emplace(key, flow);
    flow->initiator = static_cast<uint8_t>(from);
    flow->interface = p.interface;
    // Met in the middle, a conversation was most likely opened towards the well-known port, or from one that systems give to
    // clients: Linux from 32768 on, others from 49152. (Of datagrams nothing says that this is the middle.)
    const uint16_t source = flow->port(from), destination = flow->port(1 - from);
    const bool begins = flow->is_tcp() && p.has_transport && (p.tcp.flags & decode::tcp_syn);
    const bool answers = (source < 1024 && destination >= 1024) || (flow->is_tcp() && source < 32768 && destination >= 32768);
    if (!begins && !flow->is_icmp() && answers) set_initiator(*flow, 1 - from, InitiatorBy::port);
    if (flow->is_icmp() && p.payload.size() >= 2) {
        flow->icmp_type_code = decode::load_be16(p.payload.data());
        // A reply met first answers the other end's request, whose type is the key's.
        if (key.extra != 0xffff && p.payload[0] != key.extra) {
            flow->icmp_type_code = static_cast<uint16_t>(key.extra << 8 | p.payload[1]);
            set_initiator(*flow, 1 - from, InitiatorBy::protocol);
        }
    }
    if (p.has_mac && p.tunnel_count == 0) {  // a tunnel's ends are not the conversation's
        flow->has_mac = true;
        std::memcpy(flow->mac[from], p.source_mac, 6);
        std::memcpy(flow->mac[1 - from], p.destination_mac, 6);
    }
    return flow;
}

Flow* Tracker::create(const Key& key, int64_t time, bool live) {
    auto* flow = new Flow;
    flow->key = key;
    flow->live = live;
    flow->first = flow->last = time;
    uint64_t words[4] = {KeyHash()(key), static_cast<uint64_t>(time), options_.id_seed, next_id_++};
    flow->id = KeyHash::mix(words[0] ^ words[2], words[1] ^ 0x9e3779b97f4a7c15) ^
               KeyHash::mix(words[3] ^ 0xa0761d6478bd642f, words[1] ^ words[2]);
    flow->next_report = options_.report_every ? time + options_.report_every : INT64_MAX;
    flow->older = newest_[live];
    (newest_[live] ? newest_[live]->newer : oldest_[live]) = flow;
    newest_[live] = flow;
    live_flows_++;
    counters_.flows++;
    schedule(*flow, std::min(time + idle_limit(*flow), flow->next_report));
    return flow;
}

Flow* Tracker::open_socket(const Key& key, int initiator, InitiatorBy by, int64_t time) {
    if (time > now_) move_time(time);
    if (live_flows_ >= options_.max_flows) evict_one();
    Flow* flow = create(key, time, true);
    flow->initiator = static_cast<uint8_t>(initiator);
    flow->initiator_by = by;
    return flow;
}

void Tracker::end_socket(Flow& flow, int64_t time, EndReason reason) {
    if (time > now_) move_time(time);
    destroy(flow, reason);
}

void Tracker::set_initiator(Flow& flow, int end, InitiatorBy by) {
    if (flow.records || by < flow.initiator_by) return;
    flow.initiator = static_cast<uint8_t>(end);
    flow.initiator_by = by;
}

void Tracker::datagram(Flow& flow, int end, const decode::Packet& p) {
    End& me = flow.ends[end];
    if (!flow.live) me.payload_bytes += p.payload_length;
    if (p.is_fragment) return;
    if (p.ip_protocol == decode::ip_protocol::sctp) {
        if (!flow.extras) flow.extras = std::make_unique<Extras>();
        flow.extras->sctp_chunks |= sctp_chunks(p.payload);
    }
    // A TCP segment without a whole header has no place in the stream.
    if (p.payload.empty() || flow.search_over || flow.is_tcp()) return;
    Conversation(*this, flow, p.time).datagram(end, p.payload, p.payload.size() >= p.payload_length);
}

void Tracker::remember_extras(Flow& flow, const decode::Packet& p) {
    flow.faults |= p.faults;
    if (!flow.extras && (p.vlan_count | p.mpls_count | p.tunnel_count | p.fragment_count) == 0) return;
    if (!flow.extras) flow.extras = std::make_unique<Extras>();
    Extras& x = *flow.extras;
    x.fragments += p.fragment_count;
    if (!x.vlan_count && p.vlan_count) {
        x.vlan_count = p.vlan_count;
        std::copy_n(p.vlans, p.vlan_count, x.vlans);
    }
    if (!x.mpls_count && p.mpls_count) {
        x.mpls_count = p.mpls_count;
        std::copy_n(p.mpls, p.mpls_count, x.mpls);
    }
    if (!x.tunnel_count && p.tunnel_count) {
        x.tunnel_count = p.tunnel_count;
        std::copy_n(p.tunnels, p.tunnel_count, x.tunnels);
    }
}

void Tracker::remember_comments(Flow& flow, std::span<const std::string_view> comments) {
    if (!flow.extras) flow.extras = std::make_unique<Extras>();
    for (const std::string_view comment : comments)
        if (flow.extras->comments.size() < Extras::most_comments) flow.extras->comments.emplace_back(comment);
}

uint32_t Tracker::interface(std::string_view name) {
    constexpr size_t most = 4096;
    if (name.empty()) return 0;
    const auto at = std::ranges::find(interfaces_, name);
    if (at == interfaces_.end()) {
        if (interfaces_.size() == most) return 0;
        interfaces_.emplace_back(name);
        return static_cast<uint32_t>(interfaces_.size());
    }
    return static_cast<uint32_t>(at - interfaces_.begin()) + 1;
}

int64_t Tracker::idle_limit(const Flow& flow) const {
    if (flow.is_tcp()) switch (flow.tcp) {
            case TcpState::closed:
            case TcpState::reset:
                return options_.tcp_closed;
            case TcpState::syn_sent:
            case TcpState::syn_received:
            case TcpState::closing:
                return options_.tcp_half_open;
            default:
                return options_.tcp_idle;
        }
    return flow.is_icmp() ? options_.icmp_idle : options_.datagram_idle;
}

void Tracker::schedule(Flow& flow, int64_t due) {
    if (flow.wheel_link) {
        *flow.wheel_link = flow.wheel_next;
        if (flow.wheel_next) flow.wheel_next->wheel_link = flow.wheel_link;
    }
    // Never into the slot being turned, never further than once around.
    int64_t at = std::clamp(due / second + 1, wheel_second_ + 1, wheel_second_ + static_cast<int64_t>(wheel_slots) - 1);
    Flow*& slot = wheel_[static_cast<size_t>(at) % wheel_slots];
    flow.wheel_next = slot;
    if (slot) slot->wheel_link = &flow.wheel_next;
    slot = &flow;
    flow.wheel_link = &slot;
}

void Tracker::move_time(int64_t time) {
    now_ = time;
    if (time >= next_second_) [[unlikely]]
        advance(time);
}

// The wheel stands at a time that is yet to come again: without this nothing would expire, report or tick until then.
void Tracker::set_back(int64_t now) {
    now_ = now;
    wheel_second_ = now / second;
    for (Flow* f : oldest_)
        for (; f; f = f->newer) {
            f->first = std::min(f->first, now);
            f->last = std::min(f->last, now);
            if (options_.report_every) f->next_report = std::min(f->next_report, now + options_.report_every);
            schedule(*f, f->wants_ticks ? now + second : std::min(now + idle_limit(*f), f->next_report));
        }
}

void Tracker::advance(int64_t now) {
    if (now < now_ - clock_jitter) [[unlikely]]
        set_back(now);
    now_ = std::max(now_, now);
    const int64_t target = now_ / second;
    if (wheel_second_ == 0 && live_flows_ == 0) wheel_second_ = target;
    next_second_ = (target + 1) * second;
    // After a long silence every slot is turned once; nothing is further away than that.
    if (target - wheel_second_ > static_cast<int64_t>(wheel_slots)) wheel_second_ = target - static_cast<int64_t>(wheel_slots);
    while (wheel_second_ < target) {
        wheel_second_++;
        Flow* list = std::exchange(wheel_[static_cast<size_t>(wheel_second_) % wheel_slots], nullptr);
        if (list) list->wheel_link = &list;
        while (list) {
            Flow* flow = list;
            list = flow->wheel_next;
            if (list) list->wheel_link = &list;
            flow->wheel_link = nullptr;
            flow->wheel_next = nullptr;
            fire(*flow);
        }
    }
}

void Tracker::fire(Flow& flow) {
    const int64_t expires = flow.live ? INT64_MAX : flow.last + idle_limit(flow);
    if (now_ > expires) {
        destroy(flow, end_reason(flow, EndReason::idle));
        return;
    }
    if (flow.wants_ticks) Conversation(*this, flow, now_).tick();
    if (now_ >= flow.next_report) {
        report(flow, false, EndReason::end);
        flow.next_report = now_ + options_.report_every;
    }
    int64_t due = std::min(expires, flow.next_report);
    if (flow.wants_ticks) due = std::min(due, now_ + second);
    schedule(flow, due);
}

void Tracker::unlink(Flow& flow) {
    if (flow.wheel_link) {
        *flow.wheel_link = flow.wheel_next;
        if (flow.wheel_next) flow.wheel_next->wheel_link = flow.wheel_link;
    }
    (flow.older ? flow.older->newer : oldest_[flow.live]) = flow.newer;
    (flow.newer ? flow.newer->older : newest_[flow.live]) = flow.older;
    if (last_used_ == &flow) last_used_ = nullptr;
    if (!flow.live) table_.erase(flow.key);
    live_flows_--;
}

void Tracker::destroy(Flow& flow, EndReason reason) {
    Conversation(*this, flow, std::max(now_, flow.last)).finish();
    report(flow, true, reason);
    for (End& end : flow.ends) end.stream.release(budget_);
    budget_.used -= flow.charged;
    unlink(flow);
    delete &flow;
}

void Tracker::discard(Flow& flow) {
    for (End& end : flow.ends) end.stream.release(budget_);
    budget_.used -= flow.charged;
    unlink(flow);
    counters_.flows--;
    delete &flow;
}

// How a conversation ended, where its own segments say so.
EndReason Tracker::end_reason(const Flow& flow, EndReason otherwise) {
    return flow.tcp == TcpState::closed ? EndReason::fin : flow.tcp == TcpState::reset ? EndReason::reset : otherwise;
}

// The table is full: of the oldest conversations the one that has been quiet for longest goes. Sockets end by themselves.
void Tracker::evict_one() {
    Flow* victim = oldest_[0];
    Flow* f = oldest_[0];
    for (int i = 0; f && i < 16; i++, f = f->newer)
        if (f->last < victim->last) victim = f;
    if (!victim) return;
    counters_.evicted++;
    destroy(*victim, EndReason::evicted);
}

void Tracker::finish() {
    for (Flow*& oldest : oldest_)
        while (oldest) destroy(*oldest, end_reason(*oldest, EndReason::end));
}

}  // namespace cvf::flow
