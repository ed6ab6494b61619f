// What streams over the bus and what is kept there, by name: the one table of subjects, topics, buckets and headers. docs/bus.md
// is made from it (page.h). The names are an open interface: change one only with the version in it.
//
// A subject is tokens joined by dots. With Kafka the first tokens are the topic and the others headers of the message, so that a
// topic's number does not grow with that of nodes. Thread rule: pure, constant.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cvf::bus {

// A family of subjects.
struct Channel {
    std::string_view name;          // of the family, and with "cvf-" before it of the JetStream stream for what is durable
    std::string_view pattern;       // cvf.v1.records.*.*
    std::string_view tokens;        // what stands for the stars, by name, separated by spaces: "type node"
    unsigned topic_tokens;          // so many of the subject's tokens make the topic; the rest are headers
    std::string_view content_type;  // of the payload
    uint64_t stream_seconds;        // how long and how much JetStream keeps of what is published as durable
    uint64_t stream_bytes;
    std::string_view payload, doc;  // for people
};

// A bucket of documents: key-value bucket with NATS, compacted topic of the same name with Kafka.
struct Bucket {
    std::string_view name;
    uint64_t keep_seconds;  // a document not written again for so long is gone; 0: kept
    std::string_view key, value, doc;
};

// A header of messages.
struct HeaderInfo {
    std::string_view name, example, doc;
    bool kafka_only = false;  // set by the bus from the subject
};

std::span<const Channel> channels();
std::span<const Bucket> buckets();
std::span<const HeaderInfo> headers();

// The family a subject or pattern belongs to; null for none.
const Channel* channel_of(std::string_view subject);
const Bucket* bucket_named(std::string_view name);

namespace header {
inline constexpr std::string_view content_type = "Content-Type";
inline constexpr std::string_view schema = "Cvf-Schema";
inline constexpr std::string_view agent = "Cvf-Agent";
inline constexpr std::string_view first = "Cvf-First";
inline constexpr std::string_view last = "Cvf-Last";
inline constexpr std::string_view count = "Cvf-Count";
inline constexpr std::string_view node = "Cvf-Node";
inline constexpr std::string_view capture = "Cvf-Capture";
}  // namespace header

inline constexpr std::string_view schema_version = "1";  // value of Cvf-Schema

namespace bucket {
inline constexpr std::string_view directives = "cvf-directives";
inline constexpr std::string_view nodes = "cvf-nodes";
inline constexpr std::string_view audit = "cvf-audit";
}  // namespace bucket

namespace subject {
// `node` and `capture` as they are called; they are escaped here. `type` as in record::types.def.
std::string records(std::string_view type, std::string_view node);
inline constexpr std::string_view directives = "cvf.v1.directives";
std::string status(std::string_view node);
std::string capture(std::string_view id, std::string_view node);
std::string topology(std::string_view node);
}  // namespace subject

// One token from any text: bytes other than A-Z a-z 0-9 _ - become =XX (upper-case hex), no text at all becomes "=". Keys of
// documents are escaped by NATS's bus in the same way, but for '/', which stays.
std::string escape_token(std::string_view text, std::string_view besides = {});
std::optional<std::string> unescape_token(std::string_view token);

// A subject that can be published to: no empty token, wildcard, white space or control byte; at most 255 bytes.
bool valid_subject(std::string_view subject);
// The same with wildcards that are whole tokens.
bool valid_pattern(std::string_view pattern);
bool valid_bucket(std::string_view name);  // A-Z a-z 0-9 _ -, at most 64 of them
bool matches(std::string_view pattern, std::string_view subject);

// Kafka's half of the table.
struct Topic {
    std::string name;
    std::vector<std::pair<std::string_view, std::string>> headers;  // Cvf-Node and so on, unescaped
};
Topic topic_of(std::string_view subject);
// The one topic of what matches; nothing when the pattern leaves the topic open.
std::optional<std::string> topic_of_pattern(std::string_view pattern);
// The topics of what matches, as an extended regular expression that begins with ^ (Kafka's form of a pattern).
std::string topics_regex(std::string_view pattern);
// Whether a message of this topic can match.
bool topic_matches(std::string_view pattern, std::string_view topic);
// The subject of a message of this topic; `value` gives a header's value, or null when it has none.
template <typename Value>
std::string subject_of(std::string_view topic, Value&& value);
// The header that stands for the token of this name ("node"): Cvf-Node.
std::string_view header_of_token(std::string_view token);
std::vector<std::string_view> tokens_in_headers(std::string_view topic);

template <typename Value>
std::string subject_of(std::string_view topic, Value&& value) {
    std::string out(topic);
    for (std::string_view name : tokens_in_headers(topic)) {
        const std::optional<std::string_view> text = value(name);
        if (!text) break;
        out += '.';
        out += escape_token(*text);
    }
    return out;
}

}  // namespace cvf::bus
