#include "flow/conversation.h"

#include <array>
#include <utility>

#include "flow/community_id.h"

namespace cvf::flow {

using protocol::Direction;
using protocol::Match;
using protocol::Protocol;

namespace {

// Segments or datagrams looked at before a conversation is called unknown: six, or 96 of STUN, which opens the way for another
// protocol between the same ports (RFC 8445, 7983).
constexpr uint8_t max_tries = 96, one_try = 16, one_try_of_stun = 1;
// Bytes of one direction that may wait for an undecided search.
constexpr size_t max_search_bytes = 4096;

uint8_t transport_bit(uint8_t ip_protocol) {
    using protocol::Transport;
    switch (ip_protocol) {
        case decode::ip_protocol::tcp:
            return static_cast<uint8_t>(Transport::tcp);
        case decode::ip_protocol::udp:
        case decode::ip_protocol::udplite:
            return static_cast<uint8_t>(Transport::udp);
        case decode::ip_protocol::icmp:
            return static_cast<uint8_t>(Transport::icmp);
        case decode::ip_protocol::igmp:
            return static_cast<uint8_t>(Transport::igmp);
        case decode::ip_protocol::icmpv6:
            return static_cast<uint8_t>(Transport::icmpv6);
        case decode::ip_protocol::sctp:
            return static_cast<uint8_t>(Transport::sctp);
        default:
            return 0;
    }
}

// The protocols that can run over a transport, a bit each in registry order.
uint64_t candidates_for(uint8_t ip_protocol) {
    static const auto masks = [] {
        std::array<uint64_t, 256> all_masks{};
        auto all = protocol::all_protocols();
        for (size_t number = 0; number < all_masks.size(); number++)
            for (size_t i = 0; i < all.size(); i++)
                if (all[i]->transports & transport_bit(static_cast<uint8_t>(number))) all_masks[number] |= uint64_t{1} << i;
        return all_masks;
    }();
    return masks[ip_protocol];
}

// RFC 8489 5: two zero bits, type, length in fours, and a number that hardly anything else has in this place.
bool is_stun(Bytes bytes) {
    return bytes.size() >= 20 && bytes[0] < 0x40 && bytes[3] % 4 == 0 && decode::load_be32(bytes.data() + 4) == 0x2112a442;
}

size_t index_of(const Protocol* p) {
    auto all = protocol::all_protocols();
    for (size_t i = 0; i < all.size(); i++)
        if (all[i] == p) return i;
    return 0;
}

}  // namespace

const Protocol* Conversation::search(int end, Bytes bytes, bool& undecided) {
    undecided = false;
    if (flow_.candidates == 0) flow_.candidates = candidates_for(flow_.key.protocol);
    auto all = protocol::all_protocols();
    const Direction dir = flow_.direction_of(end);
    const uint16_t initiator_port = flow_.port(flow_.initiator), responder_port = flow_.port(1 - flow_.initiator);
    for (uint64_t left = flow_.candidates; left; left &= left - 1) {
        auto i = static_cast<size_t>(__builtin_ctzll(left));
        switch (all[i]->match(dir, bytes, initiator_port, responder_port)) {
            case Match::yes:
                return all[i];
            case Match::maybe:
                undecided = true;
                break;
            case Match::no:
                break;
        }
    }
    return nullptr;
}

// Counts a try that found nothing. False when there were enough.
bool Conversation::try_again(uint8_t cost) {
    flow_.tries = static_cast<uint8_t>(std::min<unsigned>(flow_.tries + cost, max_tries));
    return flow_.tries < max_tries;
}

void Conversation::run(const Protocol& protocol) {
    flow_.running = &protocol;
    flow_.dissector = protocol.make();
}

void Conversation::forget_all() {
    flow_.search_over = true;
    flow_.dissector.reset();
    flow_.wants_ticks = false;
    for (int end = 0; end < 2; end++) {
        if (end == current_)
            flow_.ends[end].stream.skip(UINT64_MAX);
        else
            flow_.ends[end].stream.abandon(tracker_.budget_);
        want(flow_.direction_of(end), protocol::Want::none);
    }
}

// One call into the dissector, and what it asked for. Returns the bytes consumed.
size_t Conversation::feed(int end, Bytes bytes) {
    size_t used = flow_.dissector->data(flow_.direction_of(end), bytes, *this);
    if (dropped_) {  // it was not this protocol after all
        dropped_ = false;
        const bool untouched = used == 0 && flow_.ends[end].stream.offset() == 0;
        flow_.candidates &= ~(uint64_t{1} << index_of(flow_.running));
        flow_.running = nullptr;
        flow_.dissector.reset();
        if (flow_.candidates == 0 || (flow_.is_tcp() && !untouched)) forget_all();
    } else if (handed_over_) {
        handed_over_ = false;
        flow_.dissector->finish(*this);
        flow_.dissector.reset();
        // One that took nothing is not found again in the same bytes.
        const uint64_t others = candidates_for(flow_.key.protocol) & ~(uint64_t{1} << index_of(flow_.running));
        flow_.candidates = used == 0 ? others : 0;
        flow_.running = nullptr;
        flow_.tries = 0;
        if (!handed_to_.empty()) {
            if (const Protocol* next = protocol::protocol_by_name(handed_to_))
                run(*next);
            else
                forget_all();
        }
    } else if (!flow_.wants_ticks) {
        flow_.wants_ticks = true;  // the first tick tells whether it wants more
        tracker_.schedule(flow_, now + 1'000'000'000);
    }
    account();
    return used;
}

void Conversation::charge(size_t held) {
    held = std::min<size_t>(held, UINT32_MAX);
    Stream::Budget& budget = tracker_.budget_;
    const bool more = held > flow_.charged;
    budget.used += held - flow_.charged;
    flow_.charged = static_cast<uint32_t>(held);
    if (!more || budget.used <= budget.limit) return;
    // The one that asks is the one that gives up: the others are as they were, and nobody need be searched for.
    budget.overruns++;
    flow_.dissector->finish(*this);
    handed_over_ = dropped_ = false;
    forget_all();
    budget.used -= std::exchange(flow_.charged, 0u);
}

size_t Conversation::deliver(int end, Bytes bytes) {
    current_ = end;
    skipping_ = 0;
    size_t total = 0;
    for (;;) {
        if (flow_.dissector) {
            const Protocol* before = flow_.running;
            size_t used = feed(end, bytes.subspan(total));
            total += used;
            // Another protocol, or a search, goes on with what is left, unless a skip stands in between.
            if (flow_.running != before && !flow_.search_over && total < bytes.size()) continue;
            break;
        }
        if (flow_.search_over) {
            flow_.ends[end].stream.skip(UINT64_MAX);
            total = bytes.size();
            break;
        }
        if (bytes.size() == total) break;
        bool undecided;
        if (const Protocol* found = search(end, bytes.subspan(total), undecided)) {
            run(*found);
            continue;
        }
        if (undecided && bytes.size() - total < max_search_bytes) break;
        total = bytes.size();  // these bytes are nobody's
        // Where the beginning was not seen, a later segment may begin a message.
        if (flow_.tcp != TcpState::partial || !try_again(one_try)) forget_all();
        break;
    }
    if (skipping_) withhold(end, flow_.ends[end].stream.offset() + total, skipping_);
    current_ = -1;
    return total;
}

void Conversation::gap(int end, uint64_t bytes) {
    if (!flow_.dissector) return;
    current_ = end;
    skipping_ = 0;
    flow_.dissector->gap(flow_.direction_of(end), bytes, *this);
    settle();
    if (skipping_) withhold(end, flow_.ends[end].stream.offset(), skipping_);
    current_ = -1;
}

void Conversation::closed(int end) {
    if (!flow_.dissector) return;
    flow_.dissector->close(flow_.direction_of(end), *this);
    settle();
}

// Only bytes can be handed over: such a wish is void here. A dissector that was wrong goes, and the search is over.
void Conversation::settle() {
    handed_over_ = false;
    if (dropped_) {
        dropped_ = false;
        flow_.running = nullptr;
        forget_all();
    }
    account();
}

void Conversation::datagram(int end, Bytes bytes, bool whole) {
    cut = !whole;
    if (flow_.dissector) {
        current_ = end;
        feed(end, bytes);
        current_ = -1;
        if (flow_.dissector || flow_.search_over) return;
    }
    while (!flow_.search_over) {
        bool undecided;
        const Protocol* found = search(end, bytes, undecided);
        if (!found) {
            if (!try_again(is_stun(bytes) ? one_try_of_stun : one_try)) forget_all();
            return;
        }
        run(*found);
        current_ = end;
        feed(end, bytes);
        current_ = -1;
        if (flow_.dissector) return;
    }
}

void Conversation::tick() {
    flow_.wants_ticks = flow_.dissector && flow_.dissector->tick(*this);
    settle();
}

void Conversation::finish() {
    for (int end : {flow_.end_of(Direction::from_initiator), flow_.end_of(Direction::from_responder)})
        flow_.ends[end].stream.flush(end, tracker_.budget_, *this);
    if (flow_.dissector) flow_.dissector->finish(*this);
}

record::Record& Conversation::start(record::RecordType type, int64_t timestamp) {
    tracker_.record_.begin(type, timestamp);
    return tracker_.record_;
}

void Conversation::emit(record::Record& record) {
    if (!wanted(record.type())) return;
    if (record.type() == record::RecordType::icmp) name_quoted(record);
    tracker_.add_flow_fields(record, flow_);
    tracker_.output_.emit(record, flow_);
}

// An ICMP error tells which conversation it is about: the quoted packet's own id joins the two.
void Conversation::name_quoted(record::Record& r) {
    using record::Field;
    const record::Value *source = r.find(Field::icmp_quoted_source_address),
                        *destination = r.find(Field::icmp_quoted_destination_address);
    const record::Value *source_port = r.find(Field::icmp_quoted_source_port),
                        *destination_port = r.find(Field::icmp_quoted_destination_port);
    const record::Value* transport = r.find(Field::icmp_quoted_transport);
    if (!source || !destination || !source_port || !destination_port || !transport) return;
    const std::string_view name = transport->as_text();
    const uint8_t protocol = name == "tcp" ? 6 : name == "udp" ? 17 : name == "sctp" ? 132 : 0;
    if (!protocol) return;
    const uint8_t family = source->short_size == 4 ? 4 : 6;
    auto address = [](const record::Value* v) {
        return v->short_size == 4 ? decode::Address::v4(v->inline_bytes) : decode::Address::v6(v->inline_bytes);
    };
    char* id = static_cast<char*>(r.arena().take(30, 1));
    community_id(family, protocol, address(source), static_cast<uint16_t>(source_port->uint), address(destination),
                 static_cast<uint16_t>(destination_port->uint), id);
    r.text(Field::icmp_quoted_community_id, {id, 30});
}

// Of a constant text; none is longer.
static uint8_t narrow(size_t size) {
    return static_cast<uint8_t>(std::min<size_t>(size, UINT8_MAX));
}

void Conversation::confirm(std::string_view version) {
    if (flow_.running) flow_.protocol = flow_.running;
    if (!version.empty()) flow_.version_text = version.data(), flow_.version_size = narrow(version.size());
}

void Conversation::violation(std::string_view reason) {
    if (flow_.running) tracker_.counters_.violations[index_of(flow_.running)]++;
    if (flow_.protocol == flow_.running)
        flow_.violation_text = reason.data(), flow_.violation_size = narrow(reason.size());
    else
        dropped_ = true;
}

void Conversation::host(std::string_view name) {
    if (flow_.host.empty()) flow_.host.assign(name.substr(0, 255));
}

void Conversation::skip(Direction dir, uint64_t bytes) {
    const int end = flow_.end_of(dir);
    Stream& stream = flow_.ends[end].stream;
    if (end == current_) {
        stream.skip(bytes);
        skipping_ = bytes;  // from where, is known when the dissector returns
    } else {
        withhold(end, stream.offset(), bytes);
        stream.skip_from_here(bytes, tracker_.budget_);
    }
}

void Conversation::withhold(int end, uint64_t from, uint64_t bytes) {
    // Where the beginning was not seen, the kernel may count from another byte than the stream does.
    if (!flow_.live || !(flow_.ends[end].flags & decode::tcp_syn)) return;
    const uint64_t to = bytes > INT64_MAX - from ? INT64_MAX : from + bytes;
    const End &sender = flow_.ends[end], &receiver = flow_.ends[1 - end];
    if (sender.cookie && !sender.payload_elsewhere) tracker_.output_.skip_to(sender.cookie, true, to);
    if (receiver.cookie && !receiver.payload_elsewhere) tracker_.output_.skip_to(receiver.cookie, false, to);
    flow_.ends[end].stream.withheld();
}

uint64_t Conversation::skipped(Direction dir) const {
    return flow_.ends[flow_.end_of(dir)].stream.skipped();
}

void Conversation::want(Direction dir, protocol::Want want) {
    if (!flow_.live) return;
    const End &sender = flow_.ends[flow_.end_of(dir)], &receiver = flow_.ends[1 - flow_.end_of(dir)];
    // What one end sends is the egress of its own socket and the ingress of the other's.
    if (sender.cookie && !sender.payload_elsewhere) tracker_.output_.want(sender.cookie, true, want);
    if (receiver.cookie && !receiver.payload_elsewhere) tracker_.output_.want(receiver.cookie, false, want);
}

void Conversation::hand_over(std::string_view protocol) {
    handed_over_ = true;
    handed_to_ = protocol;
}

bool Conversation::wanted(record::RecordType type) const {
    return tracker_.options_.wanted[static_cast<size_t>(type)];
}

uint16_t Conversation::port(Direction end) const {
    return flow_.port(flow_.end_of(end));
}

void Conversation::set_initiator(Direction dir) {
    tracker_.set_initiator(flow_, flow_.end_of(dir), InitiatorBy::protocol);
}

void Conversation::name_seen(std::string_view name, Bytes ip, uint32_t ttl) {
    if (ip.size() != 4 && ip.size() != 16) return;
    decode::Address address = ip.size() == 4 ? decode::Address::v4(ip.data()) : decode::Address::v6(ip.data());
    // Connections are opened a while after the look-up, and clients keep short-lived names longer than told.
    tracker_.names_.put(address, name, now + (int64_t{ttl} + 600) * 1'000'000'000);
}

}  // namespace cvf::flow
