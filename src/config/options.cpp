#include "config/options.h"

#include <algorithm>
#include <array>
#include <vector>

#include <fmt/format.h>

#include "config/quantity.h"
#include "record/fields.h"
#include "record/nearest.h"

namespace cvf::config {

namespace {

using Done = std::expected<void, std::string>;

std::string_view trim(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    return text;
}

// A setter for each type of option; the member comes as a template argument, so that a row of the table is one line.
template <std::string Settings::* member>
Done text(Settings& s, std::string_view value) {
    s.*member = trim(value);
    return {};
}

template <std::string Settings::* member>
Done needed_text(Settings& s, std::string_view value) {
    if (trim(value).empty()) return std::unexpected("the value is empty");
    return text<member>(s, value);
}

template <bool Settings::* member>
Done toggle(Settings& s, std::string_view value) {
    const auto parsed = parse_switch(value);
    if (!parsed) return std::unexpected(parsed.error());
    s.*member = *parsed;
    return {};
}

template <uint64_t Settings::* member, uint64_t least, uint64_t most>
Done count(Settings& s, std::string_view value) {
    const auto parsed = parse_count(value);
    if (!parsed) return std::unexpected(parsed.error());
    if (*parsed < least || *parsed > most)
        return std::unexpected(fmt::format("{} is out of range; it goes from {} to {}", *parsed, least, most));
    s.*member = *parsed;
    return {};
}

template <uint64_t Settings::* member, uint64_t least, bool zero>
Done size(Settings& s, std::string_view value) {
    const auto parsed = parse_size(value);
    if (!parsed) return std::unexpected(parsed.error());
    if (*parsed < least && !(zero && *parsed == 0))
        return std::unexpected(
            fmt::format("{} is too small; {} bytes are the least{}", trim(value), least, zero ? ", 0 is never" : ""));
    s.*member = *parsed;
    return {};
}

template <std::chrono::nanoseconds Settings::* member>
Done duration(Settings& s, std::string_view value) {
    const auto parsed = parse_duration(value);
    if (!parsed) return std::unexpected(parsed.error());
    if (*parsed != std::chrono::nanoseconds(0) && *parsed < std::chrono::seconds(1))
        return std::unexpected(fmt::format("{} is too short; 1s is the least, 0 is never", trim(value)));
    s.*member = *parsed;
    return {};
}

std::vector<std::string> split(std::string_view value) {
    std::vector<std::string> items;
    while (!value.empty()) {
        const size_t comma = value.find(',');
        if (const std::string_view item = trim(value.substr(0, comma)); !item.empty()) items.emplace_back(item);
        value.remove_prefix(comma == std::string_view::npos ? value.size() : comma + 1);
    }
    return items;
}

std::unexpected<std::string> not_one_of(std::string_view what, std::string_view value, std::span<const std::string_view> names) {
    const std::string_view near = record::nearest(value, names);
    if (!near.empty()) return std::unexpected(fmt::format("there is no {} '{}'; did you mean {}?", what, value, near));
    return std::unexpected(fmt::format("there is no {} '{}'; there are {}", what, value, fmt::join(names, ", ")));
}

Done types(Settings& s, std::string_view value) {
    std::vector<std::string> items = split(value);
    std::array<std::string_view, record::type_count> names;
    for (size_t i = 0; i < names.size(); ++i) names[i] = record::info(static_cast<record::RecordType>(i)).name;
    for (const std::string& item : items)
        if (!record::type_by_name(item)) return not_one_of("record type", item, names);
    s.types = std::move(items);
    return {};
}

Done fields(Settings& s, std::string_view value) {
    s.fields = split(value);
    return {};
}

template <std::vector<std::string> Settings::* member>
Done list(Settings& s, std::string_view value) {
    s.*member = split(value);
    return {};
}

Done labels(Settings& s, std::string_view value) {
    s.labels = split(value);
    for (const std::string& label : s.labels)
        if (const size_t at = label.find('='); at == std::string::npos || at == 0)
            return std::unexpected(fmt::format("'{}' is no label; write KEY=VALUE", label));
    return {};
}

Done deny_kinds(Settings& s, std::string_view value) {
    static constexpr std::string_view kinds[] = {"Metadata", "Flow", "Capture", "Plaintext", "Topology"};
    s.deny_kinds = split(value);
    for (const std::string& kind : s.deny_kinds)
        if (std::ranges::find(kinds, kind) == std::end(kinds)) return not_one_of("kind of directive", kind, kinds);
    return {};
}

Done compression(Settings& s, std::string_view value) {
    static constexpr std::string_view names[] = {"none", "lz4", "zstd"};
    const std::string_view word = trim(value);
    if (std::ranges::find(names, word) == std::end(names)) return not_one_of("compression", word, names);
    s.bus_compression = word;
    return {};
}

Done sasl(Settings& s, std::string_view value) {
    static constexpr std::string_view names[] = {"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"};
    const std::string_view word = trim(value);
    if (std::ranges::find(names, word) == std::end(names)) return not_one_of("way to log in", word, names);
    s.bus_sasl = word;
    return {};
}

Done format(Settings& s, std::string_view value) {
    static constexpr std::string_view names[] = {"table", "json"};
    const std::string_view word = trim(value);
    if (word == "table")
        s.format = Format::table;
    else if (word == "json")
        s.format = Format::json;
    else
        return not_one_of("format", word, names);
    return {};
}

Done payload(Settings& s, std::string_view value) {
    static constexpr std::string_view names[] = {"budget", "full", "none"};
    const std::string_view word = trim(value);
    if (word == "budget")
        s.payload = Payload::budget;
    else if (word == "full")
        s.payload = Payload::full;
    else if (word == "none")
        s.payload = Payload::none;
    else
        return not_one_of("payload", word, names);
    return {};
}

// ADDR:PORT; an IPv6 address stands in brackets.
Done listen(Settings& s, std::string_view value) {
    const std::string_view word = trim(value);
    const size_t colon = word.rfind(':');
    const auto wrong = [&](std::string_view why) {
        return std::unexpected(fmt::format("'{}' {}; write ADDR:PORT, as 127.0.0.1:7380 or [::1]:7380", word, why));
    };
    if (colon == std::string_view::npos) return wrong("has no port");
    const std::string_view host = word.substr(0, colon);
    if (host.empty()) return wrong("has no address (0.0.0.0 is every address of this machine)");
    const bool brackets = host.size() > 2 && host.front() == '[' && host.back() == ']';
    if (host.find(':') != std::string_view::npos && !brackets) return wrong("needs brackets around its IPv6 address");
    const auto port = parse_count(word.substr(colon + 1));
    if (!port || *port > 65535) return wrong("has a wrong port");
    s.listen = word;
    return {};
}

constexpr uint16_t live = command_up | command_agent;
constexpr uint16_t records = command_up | command_read | command_watch | command_query;
constexpr uint16_t shown = records | command_doctor;
constexpr uint16_t lines = command_up | command_read | command_watch;
constexpr uint16_t flows = command_up | command_agent | command_read;
constexpr uint16_t fabric = command_agent | command_controller | command_read;
constexpr uint16_t serving = command_up | command_controller;
constexpr uint16_t asking = command_watch | command_query | command_manage;

constexpr Option table[] = {
    {"config", OptionType::text, command_all, "FILE", "/etc/cvf/cvf.yaml where there is one", "Read options from this YAML file",
     needed_text<&Settings::config>},
    {"quiet", OptionType::toggle, command_all, "", "off", "Say only what went wrong", toggle<&Settings::quiet>},
    {"verbose", OptionType::toggle, command_all, "", "off", "Say what is done", toggle<&Settings::verbose>},
    {"types", OptionType::list, records, "A,B", "all", "Record types to write: flow, dns, http, tls, …", types},
    {"filter", OptionType::text, records, "EXPR", "every record",
     "Write only records for which this is true: 'dns.question.name.endsWith(\".lan\")'", text<&Settings::filter>},
    {"fields", OptionType::list, records, "A,B", "all", "Fields to write, as keys or prefixes: 'source.*,http.*'", fields},
    {"format", OptionType::choice, shown, "table|json", "table on a terminal, else json", "How records are written", format},
    {"output", OptionType::text, lines, "FILE", "standard output", "Write records to this file; compressed when it ends in .zst",
     text<&Settings::output>},
    {"output.rotate-size", OptionType::size, lines, "SIZE", "never", "Start a new file at this size on disk: 64MiB, 1GB",
     size<&Settings::rotate_size, 4096, true>},
    {"output.rotate-age", OptionType::duration, lines, "DURATION", "never", "Start a new file at this age: 10m, 24h",
     duration<&Settings::rotate_age>},
    {"output.keep", OptionType::count, lines, "N", "all", "Rotated files to keep; the oldest are removed",
     count<&Settings::keep, 0, 1'000'000>},
    {"output.compress", OptionType::toggle, lines, "", "by the name's end", "Compress the file with zstd",
     toggle<&Settings::compress>},
    {"payload", OptionType::choice, live, "budget|full|none", "budget",
     "How much payload may leave the kernel: what dissectors need, all, or none", payload},
    {"cgroup", OptionType::text, live, "PATH", "the whole machine", "Watch only the sockets of this cgroup and those below it",
     needed_text<&Settings::cgroup>},
    {"node", OptionType::text, flows, "NAME", "this machine's name", "Name of this node in records (host.name)",
     needed_text<&Settings::node>},
    {"command-line", OptionType::toggle, live, "", "off", "Record command lines of processes, which may hold secrets",
     toggle<&Settings::command_line>},
    {"watch-self", OptionType::toggle, live, "", "off", "Record the agent's own traffic too", toggle<&Settings::watch_self>},
    {"flow.interim", OptionType::duration, flows, "DURATION", "60s; read: 0",
     "Time between interim flow records of a conversation; 0: only final ones", duration<&Settings::flow_interim>},
    {"flow.max", OptionType::count, flows, "N", "200000", "Conversations followed at once; beyond it the idlest is ended",
     count<&Settings::flow_max, 16, 100'000'000>},
    {"flow.memory", OptionType::size, flows, "SIZE", "64MiB", "Memory for reassembly, of all conversations together",
     size<&Settings::flow_memory, 65'536, false>},
    {"listen", OptionType::text, live | command_controller, "ADDR:PORT", "127.0.0.1:7380", "Address of the HTTP API", listen},
    {"server", OptionType::text, asking, "ADDR:PORT", "127.0.0.1:7380", "Fabric to ask", needed_text<&Settings::server>},
    {"token-file", OptionType::text, live | command_controller | asking, "FILE", "/run/cvf/token",
     "File with the API's bearer token", needed_text<&Settings::token_file>},
    {"tls.cert", OptionType::text, live | serving | asking, "FILE", "none",
     "Certificate (PEM): of the API, which speaks HTTPS then; of who asks, to show there", needed_text<&Settings::tls_cert>},
    {"tls.key", OptionType::text, live | serving | asking, "FILE", "none", "Private key of that certificate (PEM)",
     needed_text<&Settings::tls_key>},
    {"tls.client-ca", OptionType::text, live | serving, "FILE", "none", "Let in only clients with a certificate from here (PEM)",
     needed_text<&Settings::tls_client_ca>},
    {"tokens", OptionType::text, live | serving, "FILE", "none", "Tokens and roles of those who may ask (`cvf token` makes them)",
     needed_text<&Settings::token_hashes>},
    {"ca", OptionType::text, asking, "FILE", "the system's", "Authorities that may vouch for the server (PEM)",
     needed_text<&Settings::ca>},
    {"bus", OptionType::text, fabric, "URL", "none",
     "Broker of the fabric: nats://HOST:4222, tls://…, kafka://HOST:9092; several with commas", needed_text<&Settings::bus>},
    {"bus.user", OptionType::text, fabric, "NAME", "none", "User at the broker", text<&Settings::bus_user>},
    {"bus.password-file", OptionType::text, fabric, "FILE", "none", "File with the password for the broker",
     needed_text<&Settings::bus_password_file>},
    {"bus.token-file", OptionType::text, fabric, "FILE", "none", "File with a token for the broker",
     needed_text<&Settings::bus_token_file>},
    {"bus.credentials", OptionType::text, fabric, "FILE", "none", "NATS credentials (.creds)",
     needed_text<&Settings::bus_credentials>},
    {"bus.ca", OptionType::text, fabric, "FILE", "the system's", "Authorities that may vouch for the broker (PEM)",
     needed_text<&Settings::bus_ca>},
    {"bus.cert", OptionType::text, fabric, "FILE", "none", "Certificate to show to the broker (PEM)",
     needed_text<&Settings::bus_cert>},
    {"bus.key", OptionType::text, fabric, "FILE", "none", "Private key of that certificate (PEM)",
     needed_text<&Settings::bus_key>},
    {"bus.sasl", OptionType::choice, fabric, "PLAIN|SCRAM-SHA-256|SCRAM-SHA-512", "SCRAM-SHA-512",
     "How that user logs in (Kafka)", sasl},
    {"bus.compression", OptionType::choice, fabric, "none|lz4|zstd", "zstd", "Compression of messages (Kafka)", compression},
    {"bus.batch", OptionType::size, fabric, "SIZE", "32KiB", "Records in one message, at most",
     size<&Settings::bus_batch, 1024, false>},
    {"bus.memory", OptionType::size, fabric, "SIZE", "32MiB", "Records that may wait in memory for a slow broker",
     size<&Settings::bus_memory, 1u << 20, false>},
    {"spool.directory", OptionType::text, fabric, "DIRECTORY", "/var/lib/cvf/spool",
     "Where records wait on disk while the broker is away", needed_text<&Settings::spool_directory>},
    {"spool.size", OptionType::size, fabric, "SIZE", "256MiB", "Records that may wait there; 0: none, they are lost and counted",
     size<&Settings::spool_size, 1u << 20, true>},
    {"state-directory", OptionType::text, live, "DIRECTORY", "/var/lib/cvf/state",
     "What must outlive a restart: how far directives have run, and cvf up's directives; empty: nothing does",
     text<&Settings::state_directory>},
    {"labels", OptionType::list, live, "K=V,...", "none", "Labels of this node, for the selectors of directives", labels},
    {"directives", OptionType::list, live, "PATH,...", "none",
     "Files and folders of directives that hold here whatever the bus says", list<&Settings::directives>},
    {"trusted-keys", OptionType::list, live, "FILE,...", "none", "Public keys (PEM, Ed25519) of those who may sign directives",
     list<&Settings::trusted_keys>},
    {"require-signature", OptionType::toggle, live, "", "off", "Run no directive from the bus that no trusted key has signed",
     toggle<&Settings::require_signature>},
    {"deny.kinds", OptionType::list, live, "A,B", "none", "Kinds of directive that never run here: Plaintext,Capture",
     deny_kinds},
    {"deny.namespaces", OptionType::list, live, "A,B", "none", "Kubernetes namespaces that no Capture or Plaintext looks into",
     list<&Settings::deny_namespaces>},
    {"max-rate", OptionType::size, live, "SIZE", "0", "Bytes a second that one directive may send at most; 0: any",
     size<&Settings::max_rate, 1, true>},
    {"max-record-rate", OptionType::count, live, "N", "0", "Records a second that one directive may send at most; 0: any",
     count<&Settings::max_record_rate, 0, 1'000'000'000>},
    {"output-directory", OptionType::text, live, "DIRECTORY", "/var/lib/cvf/records",
     "The one folder into which a directive from the bus may write files", needed_text<&Settings::output_directory>},
    {"output-hosts", OptionType::list, live, "HOST[:PORT],...", "none",
     "Hosts to which a directive from the bus may send records", list<&Settings::output_hosts>},
    {"history.directory", OptionType::text, serving, "DIRECTORY", "/var/lib/cvf/history", "Where records are kept for queries",
     text<&Settings::history_directory>},
    {"history.size", OptionType::size, serving, "SIZE", "1GiB", "Records that are kept, on disk; 0: none",
     size<&Settings::history_size, 16u << 20, true>},
    {"history.age", OptionType::duration, serving, "DURATION", "24h", "How long records are kept",
     duration<&Settings::history_age>},
    {"clickhouse", OptionType::text, serving, "URL", "none", "Keep records in ClickHouse instead: http://HOST:8123/DATABASE",
     needed_text<&Settings::clickhouse>},
    {"clickhouse.user", OptionType::text, serving, "NAME", "none", "User at ClickHouse", text<&Settings::clickhouse_user>},
    {"clickhouse.password-file", OptionType::text, serving, "FILE", "none", "File with the password for ClickHouse",
     needed_text<&Settings::clickhouse_password_file>},
};

// The table's parts: each goes from the option named to the next one's.
struct Section {
    std::string_view name, first;
};
constexpr Section sections[] = {
    {"Options", "config"}, {"Records", "types"}, {"What is watched", "payload"},    {"Conversations", "flow.interim"},
    {"API", "listen"},     {"Bus", "bus"},       {"Directives", "state-directory"}, {"History", "history.directory"}};

}  // namespace

std::string_view section_of(const Option& option) {
    std::string_view name;
    for (const Option* at = std::begin(table); at <= &option; ++at)
        for (const Section& section : sections)
            if (section.first == at->key) name = section.name;
    return name;
}

std::span<const Option> options() {
    return table;
}

const Option* option_by_key(std::string_view key) {
    // What is a value by itself and has others below it is nested in YAML under a name of its own.
    if (key == "output.file") key = "output";
    if (key == "bus.url") key = "bus";
    if (key == "clickhouse.url") key = "clickhouse";
    const auto* at = std::ranges::find(table, key, &Option::key);
    return at == std::end(table) ? nullptr : at;
}

std::string flag_of(const Option& option) {
    std::string flag = "--" + std::string(option.key);
    std::ranges::replace(flag, '.', '-');
    return flag;
}

std::string environment_of(const Option& option) {
    std::string name = "CVF_";
    for (char c : option.key) name.push_back(c == '.' || c == '-' ? '_' : static_cast<char>(c - ('a' - 'A')));
    return name;
}

std::string join_list(std::span<const std::string> items) {
    return fmt::format("{}", fmt::join(items, ","));
}

}  // namespace cvf::config
