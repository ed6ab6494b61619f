#include "bus/subjects.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace cvf::bus {

namespace {

constexpr uint64_t hour = 3600, day = 24 * hour;
constexpr uint64_t mebibyte = 1024 * 1024;

constexpr std::array<Channel, 5> channel_table{{
    {"records", "cvf.v1.records.*.*", "type node", 4, "application/x-ndjson", hour, 1024 * mebibyte,
     "a batch of records as JSON lines", "what the agents see, one subject for each type of record (`record.type`) and node"},
    {"directives", "cvf.v1.directives", "", 3, "application/json", 7 * day, 64 * mebibyte, "one directive as JSON or YAML",
     "directives from whoever wants to steer the fabric; a controller checks each and puts it in the bucket `cvf-directives`"},
    {"status", "cvf.v1.status.*", "node", 3, "application/json", day, 64 * mebibyte, "the agent's status as JSON",
     "each agent's changes of state, durable: that it began, what became of a directive, that it ends; its document in "
     "`cvf-nodes` is "
     "the newest, with its numbers"},
    {"capture", "cvf.v1.capture.*.*", "capture node", 3, "application/x-pcapng", hour, 1024 * mebibyte,
     "a piece of a pcapng file",
     "the packets of capture `<capture>` on one node: the pieces of one node, in their order, are one pcapng section; set aside, "
     "not sent by this version"},
    {"topology", "cvf.v1.topology.*", "node", 3, "application/json", hour, 64 * mebibyte,
     "what the node sees of the map, as JSON",
     "reports that merge to the map of the fabric; set aside, not sent by this version"},
}};

constexpr std::array<Bucket, 3> bucket_table{{
    {bucket::directives, 0, "`<kind>/<name>`", "the directive as JSON",
     "the directives in force: what every agent reconciles with"},
    {bucket::nodes, 0, "the node's name", "the agent's status as JSON", "each agent's last status"},
    {bucket::audit, 90 * day, "time and number of the change", "one change as JSON: who, what, from where",
     "the trail of changes"},
}};

constexpr std::array<HeaderInfo, 8> header_table{{
    {header::content_type, "application/x-ndjson", "what the payload is"},
    {header::schema, schema_version, "version of [the records' schema](records.md)"},
    {header::agent, "node-1/5f2a9c/0",
     "the agent's node, one run of it, and the lane (Kafka: some conversations' share of the "
     "records); records count from 1 within these three and the subject"},
    {header::first, "100234",
     "number of the first record in the batch. A consumer that keeps `Cvf-Last` of each agent and subject "
     "sees what is missing and what came twice"},
    {header::last, "100299", "number of the last record in the batch"},
    {header::count, "66", "records in the batch"},
    {header::node, "node-1", "the node, as it is called (not escaped)", true},
    {header::capture, "c-7", "the capture, as it is called (not escaped)", true},
}};

size_t token_count(std::string_view subject) {
    return static_cast<size_t>(std::count(subject.begin(), subject.end(), '.')) + 1;
}

std::string_view next_token(std::string_view& rest) {
    const size_t end = std::min(rest.find('.'), rest.size());
    const std::string_view token = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    return token;
}

std::string_view first_tokens(std::string_view subject, size_t count) {
    size_t end = 0;
    for (; count > 0 && end != subject.npos; count--) end = subject.find('.', end + (end > 0));
    return subject.substr(0, end);
}

bool plain(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

bool valid(std::string_view subject, bool wildcards) {
    if (subject.empty() || subject.size() > 255 || subject.ends_with('.')) return false;
    for (std::string_view rest = subject; !rest.empty();) {
        const std::string_view token = next_token(rest);
        if (token.empty()) return false;
        for (char c : token) {
            if (static_cast<unsigned char>(c) <= ' ' || c == 0x7f) return false;
            if ((c == '*' || c == '>') && (!wildcards || token.size() != 1 || (c == '>' && !rest.empty()))) return false;
        }
    }
    return true;
}

// Whether some subject can match both.
bool overlap(std::string_view a, std::string_view b) {
    while (!a.empty() && !b.empty()) {
        const std::string_view x = next_token(a), y = next_token(b);
        if (x == ">" || y == ">") return true;
        if (x != y && x != "*" && y != "*") return false;
    }
    return a.empty() && b.empty();
}

std::vector<std::string_view> split(std::string_view names) {
    std::vector<std::string_view> out;
    while (!names.empty()) {
        const size_t end = std::min(names.find(' '), names.size());
        out.push_back(names.substr(0, end));
        names.remove_prefix(std::min(end + 1, names.size()));
    }
    return out;
}

// The family whose topics have this form: the first tokens of its pattern.
const Channel* channel_of_topic(std::string_view topic) {
    for (const Channel& c : channel_table) {
        if (overlap(first_tokens(c.pattern, c.topic_tokens), topic)) return &c;
    }
    return nullptr;
}

}  // namespace

std::span<const Channel> channels() {
    return channel_table;
}
std::span<const Bucket> buckets() {
    return bucket_table;
}
std::span<const HeaderInfo> headers() {
    return header_table;
}

const Channel* channel_of(std::string_view subject) {
    for (const Channel& c : channel_table) {
        if (overlap(c.pattern, subject)) return &c;
    }
    return nullptr;
}

const Bucket* bucket_named(std::string_view name) {
    const auto it = std::find_if(bucket_table.begin(), bucket_table.end(), [&](const Bucket& b) { return b.name == name; });
    return it == bucket_table.end() ? nullptr : &*it;
}

namespace subject {
std::string records(std::string_view type, std::string_view node) {
    return fmt::format("cvf.v1.records.{}.{}", escape_token(type), escape_token(node));
}
std::string status(std::string_view node) {
    return fmt::format("cvf.v1.status.{}", escape_token(node));
}
std::string capture(std::string_view id, std::string_view node) {
    return fmt::format("cvf.v1.capture.{}.{}", escape_token(id), escape_token(node));
}
std::string topology(std::string_view node) {
    return fmt::format("cvf.v1.topology.{}", escape_token(node));
}
}  // namespace subject

std::string escape_token(std::string_view text, std::string_view besides) {
    if (text.empty()) return "=";
    std::string out;
    out.reserve(text.size());
    for (char c : text) {
        if (plain(c) || besides.find(c) != besides.npos) {
            out += c;
        } else {
            out += fmt::format("={:02X}", static_cast<unsigned char>(c));
        }
    }
    return out;
}

std::optional<std::string> unescape_token(std::string_view token) {
    if (token == "=") return std::string();
    const auto digit = [](char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1; };
    std::string out;
    out.reserve(token.size());
    for (size_t i = 0; i < token.size(); i++) {
        if (token[i] != '=') {
            out += token[i];
            continue;
        }
        if (i + 2 >= token.size() || digit(token[i + 1]) < 0 || digit(token[i + 2]) < 0) return std::nullopt;
        out += static_cast<char>(digit(token[i + 1]) * 16 + digit(token[i + 2]));
        i += 2;
    }
    return out;
}

bool valid_subject(std::string_view subject) {
    return valid(subject, false);
}
bool valid_pattern(std::string_view pattern) {
    return valid(pattern, true);
}
bool valid_bucket(std::string_view name) {
    return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), plain);
}

bool matches(std::string_view pattern, std::string_view subject) {
    while (!pattern.empty() && !subject.empty()) {
        const std::string_view want = next_token(pattern), have = next_token(subject);
        if (want == ">") return true;
        if (want != "*" && want != have) return false;
    }
    return pattern.empty() && subject.empty();
}

std::string_view header_of_token(std::string_view token) {
    if (token == "node") return header::node;
    if (token == "capture") return header::capture;
    return {};
}

std::vector<std::string_view> tokens_in_headers(std::string_view topic) {
    const Channel* channel = channel_of_topic(topic);
    if (!channel) return {};
    std::vector<std::string_view> names = split(channel->tokens);
    const size_t in_headers = token_count(channel->pattern) - channel->topic_tokens;
    names.erase(names.begin(), names.end() - static_cast<ptrdiff_t>(in_headers));
    return names;
}

Topic topic_of(std::string_view subject) {
    const Channel* channel = channel_of(subject);
    if (!channel) return {std::string(subject), {}};
    Topic out{std::string(first_tokens(subject, channel->topic_tokens)), {}};
    std::string_view rest = subject.substr(std::min(out.name.size() + 1, subject.size()));
    for (std::string_view name : tokens_in_headers(out.name)) {
        const std::string_view token = next_token(rest);
        out.headers.emplace_back(header_of_token(name), unescape_token(token).value_or(std::string(token)));
    }
    return out;
}

std::optional<std::string> topic_of_pattern(std::string_view pattern) {
    const Channel* channel = channel_of(pattern);
    const std::string_view topic = channel ? first_tokens(pattern, channel->topic_tokens) : pattern;
    if (!valid_subject(topic) || (channel && token_count(topic) < channel->topic_tokens)) return std::nullopt;
    return std::string(topic);
}

std::string topics_regex(std::string_view pattern) {
    const Channel* channel = channel_of(pattern);
    std::string_view rest = channel ? first_tokens(pattern, channel->topic_tokens) : pattern;
    std::string out = "^";
    while (!rest.empty()) {
        const std::string_view token = next_token(rest);
        if (token == "*") {
            out += "[^.]+";
        } else if (token == ">") {
            out += ".+";
        } else {
            for (char c : token) {
                if (!plain(c)) out += '\\';
                out += c;
            }
        }
        if (!rest.empty()) out += "\\.";
    }
    return out + "$";
}

bool topic_matches(std::string_view pattern, std::string_view topic) {
    if (matches(pattern, topic)) return true;
    std::string subjects(topic);
    for (size_t i = tokens_in_headers(topic).size(); i > 0; i--) subjects += ".*";
    return overlap(pattern, subjects);
}

}  // namespace cvf::bus
