// A directive: one document that says what agents are to do. docs/directives.md shows one of each kind.
//
// Plain values with the defaults written out; keys.cpp has how each is called in a document and what it may be, parse.h makes
// them from text, write.h makes text of them, selection.h makes of them what the data path runs.
//
// Thread rule: values. Units: durations in nanoseconds, sizes in bytes, rates per second; 0 where nothing was said.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cvf::directive {

inline constexpr std::string_view api_version = "cvf/v1";

enum class Kind : uint8_t { metadata, flow, capture, plaintext, topology };
inline constexpr std::string_view kind_names[] = {"Metadata", "Flow", "Capture", "Plaintext", "Topology"};
inline std::string_view name_of(Kind kind) {
    return kind_names[static_cast<size_t>(kind)];
}
std::optional<Kind> kind_by_name(std::string_view name);

using Labels = std::map<std::string, std::string, std::less<>>;

struct Metadata {
    std::string name;  // DNS-1123 subdomain; with the kind it names the directive
    Labels labels;
    uint64_t generation = 0;  // of the spec, from 1, given by who stores the directive; 0: not stored yet
    std::string uid;          // of this directive from creation to deletion, given likewise
    bool operator==(const Metadata&) const = default;
};

// Where to look. Every list left empty is no condition; names may have '*' in them. What is said of owners (namespaces to
// processes) must hold at one and the same end of a conversation.
struct Selector {
    std::vector<std::string> nodes{"*"};
    Labels node_labels{};
    std::vector<std::string> namespaces{}, pods{};  // Kubernetes
    Labels pod_labels{};                            // of the pod, or of a container that no pod owns
    std::vector<std::string> containers{};          // names, or ids from their first 12 digits on
    std::vector<std::string> processes{};           // names of executables; with a '/', paths
    std::vector<std::string> interfaces{};          // devices of the wire tap
    bool operator==(const Selector&) const = default;
};

enum class Tap : uint8_t { endpoint, wire };

// How much of what was selected. Both forms keep conversations whole.
struct Sample {
    uint32_t one_in = 1;      // one conversation in so many, the same ones on every node
    uint64_t per_second = 0;  // or: about so many records a second on each node; 0: not this form
    bool operator==(const Sample&) const = default;
};

enum class Sum : uint8_t { count, bytes, packets, latency };

// Sums over windows of time instead of single records.
struct Aggregate {
    std::chrono::nanoseconds window{std::chrono::seconds(10)};
    std::vector<std::string> by;  // field keys
    std::vector<Sum> values{Sum::count};
    bool operator==(const Aggregate&) const = default;
};

struct Limits {
    std::chrono::nanoseconds duration{0};          // from when the agent puts it in force
    uint64_t bytes = 0, packets = 0, records = 0;  // in all, on each node
    uint64_t rate = 0;                             // bytes per second, on each node
    uint64_t record_rate = 0;                      // records per second, on each node
    bool operator==(const Limits&) const = default;
};

enum class SinkKind : uint8_t { bus, file, otlp, ipfix, webhook };
enum class Transport : uint8_t { udp, tcp };

struct Output {
    SinkKind sink = SinkKind::bus;
    std::string path;                        // file
    uint64_t rotate_size = 0;                // file: bytes; 0: never
    std::chrono::nanoseconds rotate_age{0};  // file; 0: never
    uint64_t keep = 0;                       // file: rotated files kept; 0: all
    std::string url;                         // otlp, webhook
    std::string address;                     // ipfix: HOST:PORT
    Transport transport = Transport::udp;    // ipfix
    bool operator==(const Output&) const = default;
};

enum class By : uint8_t { flow, packet };

struct Spec {
    Selector selector;
    Tap tap = Tap::endpoint;
    std::vector<std::string> types;   // Metadata, Plaintext: record types; empty: all
    std::string filter;               // docs/filter.md; empty: all
    std::vector<std::string> fields;  // keys, "prefix.*"; empty: all
    Sample sample;
    std::optional<Aggregate> aggregate;  // Metadata, Flow
    Limits limits;
    std::vector<Output> output{Output{}};

    // Capture
    std::string pcap_filter;           // pcap-filter(7); empty: all
    uint64_t snaplen = 262'144;        // bytes of each frame
    std::chrono::nanoseconds last{0};  // begin so long ago, as far as the node looked back
    std::string trigger;               // expression: conversations with a record like this; empty: all from the start
    By by = By::flow;                  // what a sample counts

    uint64_t content = 0;  // Plaintext: bytes of decrypted content to keep of each direction of a message; 0: records alone

    std::chrono::nanoseconds interval{std::chrono::seconds(10)};  // Topology: between reports

    bool operator==(const Spec&) const = default;
};

// Who vouches for it; see signature.h.
struct Signature {
    std::string key;      // id of the key, as key_id() gives it
    int64_t issued = 0;   // UTC, ns since 1970, whole seconds
    int64_t expires = 0;  // likewise
    std::string value;    // base64 of 64 bytes; empty while it is being signed
    bool operator==(const Signature&) const = default;
};

struct Directive {
    Kind kind = Kind::metadata;
    Metadata metadata;
    Spec spec;
    std::optional<Signature> signature;
    bool operator==(const Directive&) const = default;
};

// "Capture/shop-errors": what no two directives share.
std::string identity(const Directive& directive);

}  // namespace cvf::directive
