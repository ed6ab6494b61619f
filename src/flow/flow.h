// One conversation, as the flow table keeps it. Plain data; Tracker moves it along.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "decode/packet.h"
#include "flow/community_id.h"
#include "flow/key.h"
#include "flow/stream.h"
#include "protocol/dissector.h"
#include "record/record.h"

namespace cvf::flow {

// How it is known who opened the conversation.
enum class InitiatorBy : uint8_t { first_packet, port, protocol, socket, syn };

enum class TcpState : uint8_t { partial, syn_sent, syn_received, established, closing, closed, reset };

// Why a final record was made.
enum class EndReason : uint8_t { fin, reset, idle, closed, evicted, end, unwanted };

// What one end sent.
struct End {
    uint64_t packets = 0, bytes = 0, payload_bytes = 0;
    Stream stream;
    // TCP, from the segments themselves or, for a socket of this node, from the kernel.
    uint32_t retransmits = 0, out_of_order = 0, zero_windows = 0;
    uint16_t resets = 0, mss = 0;
    uint8_t flags = 0;
    int8_t window_scale = -1;  // -1: not announced
    bool window_closed : 1 = false, fin : 1 = false;
    bool payload_elsewhere : 1 = false;  // live: the other end's socket shows the packets of both; this one is asked for nothing
    // Round trip: one segment is timed at a time (never a retransmitted one: Karn); until its acknowledgment comes.
    uint32_t timed_until = 0;
    int64_t timed_at = 0;          // 0: none
    int64_t rtt = 0, rtt_min = 0;  // ns; 0: none
    int64_t hole_at = 0;           // when the oldest hole in what it sent was noticed
    // Live: the socket of this end (0: none on this node), and what the pipeline keeps of it, which flow does not look into.
    uint64_t cookie = 0;
    void* socket = nullptr;
};

// What only some conversations have, to keep the others small.
struct Extras {
    uint8_t tunnel_count = 0, vlan_count = 0, mpls_count = 0;
    decode::Tunnel tunnels[4];
    uint16_t vlans[4] = {};
    uint32_t mpls[4] = {};
    uint32_t sctp_chunks = 0;  // bits as in sctp.h
    uint64_t fragments = 0;
    // Of those in the capture on its packets the first ones, and how many of them stand on a record that is no flow's.
    static constexpr size_t most_comments = 8;
    std::vector<std::string> comments;
    size_t comments_told = 0;
};

struct Flow {
    Key key;
    uint64_t id = 0;
    int64_t first = 0, last = 0;  // ns UTC
    End ends[2];                  // [0] is the key's a, [1] its b
    uint8_t initiator = 0;        // which of them opened it
    InitiatorBy initiator_by = InitiatorBy::first_packet;
    TcpState tcp = TcpState::partial;
    bool live = false;  // counted by the kernel, found by socket
    bool has_mac = false;
    bool wants_ticks = false;
    uint16_t faults = 0;

    // Protocol.
    const protocol::Protocol* protocol = nullptr;  // confirmed
    const char* version_text = nullptr;            // see protocol_version()
    const protocol::Protocol* running = nullptr;   // its dissector is at work, confirmed or not
    std::unique_ptr<protocol::Dissector> dissector;
    uint64_t candidates = 0;  // bit per registered protocol that may still be it
    uint8_t tries = 0;        // datagrams or segments looked at without an answer
    bool search_over = false;
    uint8_t version_size = 0, violation_size = 0;
    uint32_t charged = 0;  // of the dissector's memory, against the budget
    const char* violation_text = nullptr;
    std::string host;

    int64_t syn_at = 0, syn_ack_at = 0, established_at = 0;
    uint8_t mac[2][6] = {};
    std::unique_ptr<Extras> extras;

    uint32_t records = 0, reports = 0;
    bool has_community_id = false;
    char community_id[community_id_size];  // when has_community_id
    uint16_t icmp_type_code = 0;
    uint32_t interface = 0;  // of the first packet, as Tracker::interface() numbers them; 0: not known
    int64_t next_report = 0;

    // Links of the timer wheel (one slot's list) and of the age list; Tracker's.
    Flow* wheel_next = nullptr;
    Flow** wheel_link = nullptr;  // what points at this flow; null: in no slot
    Flow* older = nullptr;
    Flow* newer = nullptr;

    // Constant texts of the dissectors; a hundred thousand flows have room for no more than this of them.
    std::string_view protocol_version() const { return {version_text, version_size}; }
    std::string_view violation() const { return {violation_text, violation_size}; }

    // By index of ends.
    const decode::Address& address(int end) const { return end == 0 ? key.a : key.b; }
    uint16_t port(int end) const { return end == 0 ? key.a_port : key.b_port; }
    // The end a direction comes from, and back.
    int end_of(protocol::Direction dir) const { return static_cast<int>(dir) ^ initiator; }
    protocol::Direction direction_of(int end) const { return static_cast<protocol::Direction>(end ^ initiator); }
    bool is_icmp() const { return key.protocol == decode::ip_protocol::icmp || key.protocol == decode::ip_protocol::icmpv6; }
    bool is_tcp() const { return key.protocol == decode::ip_protocol::tcp; }
};

}  // namespace cvf::flow
