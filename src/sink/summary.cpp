#include "sink/summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>

#include "record/text.h"
#include "sink/summary_metric.h"
#include "sink/units.h"

namespace cvf::sink {
namespace {

using record::Field;
using record::Kind;
using record::Record;
using record::RecordType;
using record::Value;

// By key, so that a table's wish for a field does not tie this file to the names in the field table's source.
#define CVF_SUMMARY_KEYS(KEY)                                       \
    KEY(source_address, "source.address")                           \
    KEY(source_port, "source.port")                                 \
    KEY(source_process, "source.process.executable.name")           \
    KEY(source_container, "source.container.name")                  \
    KEY(source_container_id, "source.container.id")                 \
    KEY(source_pod, "source.k8s.pod.name")                          \
    KEY(destination_address, "destination.address")                 \
    KEY(destination_port, "destination.port")                       \
    KEY(destination_process, "destination.process.executable.name") \
    KEY(destination_container, "destination.container.name")        \
    KEY(destination_container_id, "destination.container.id")       \
    KEY(destination_pod, "destination.k8s.pod.name")                \
    KEY(source_packets, "source.packets")                           \
    KEY(source_bytes, "source.bytes")                               \
    KEY(destination_packets, "destination.packets")                 \
    KEY(destination_bytes, "destination.bytes")                     \
    KEY(source_mac, "source.mac")                                   \
    KEY(transport, "network.transport")                             \
    KEY(protocol, "network.protocol.name")                          \
    KEY(protocol_version, "network.protocol.version")               \
    KEY(server_address, "server.address")                           \
    KEY(duration, "event.duration")                                 \
    KEY(error_type, "error.type")                                   \
    KEY(violation, "cvf.violation")                                 \
    KEY(flow_state, "cvf.flow.state")                               \
    KEY(flow_reason, "cvf.flow.reason")                             \
    KEY(dns_name, "dns.question.name")                              \
    KEY(dns_type, "dns.question.type")                              \
    KEY(dns_answers, "dns.answers")                                 \
    KEY(dns_resolved, "dns.resolved_ip")                            \
    KEY(dns_code, "dns.response_code")                              \
    KEY(dns_unanswered, "cvf.dns.unanswered")                       \
    KEY(http_method, "http.request.method")                         \
    KEY(http_path, "url.path")                                      \
    KEY(http_query, "url.query")                                    \
    KEY(http_status, "http.response.status_code")                   \
    KEY(http_size, "http.response.body.size")                       \
    KEY(tls_protocol, "tls.protocol.name")                          \
    KEY(tls_version, "tls.protocol.version")                        \
    KEY(tls_name, "tls.client.server_name")                         \
    KEY(tls_cipher, "tls.cipher")                                   \
    KEY(tls_alpn, "tls.next_protocol")                              \
    KEY(icmp_message, "cvf.icmp.message")                           \
    KEY(icmp_reason, "cvf.icmp.reason")                             \
    KEY(icmp_sequence, "cvf.icmp.sequence")                         \
    KEY(icmp_unanswered, "cvf.icmp.unanswered")                     \
    KEY(arp_operation, "cvf.arp.operation")                         \
    KEY(lldp_name, "cvf.lldp.system.name")                          \
    KEY(lldp_port, "cvf.lldp.port.id")                              \
    KEY(action, "event.action")                                     \
    KEY(reason, "event.reason")                                     \
    KEY(old_state, "cvf.tcp.old_state")                             \
    KEY(new_state, "cvf.tcp.new_state")                             \
    KEY(pid, "process.pid")                                         \
    KEY(parent_pid, "process.parent_pid")                           \
    KEY(process_name, "process.executable.name")                    \
    KEY(process_path, "process.executable.path")                    \
    KEY(exit_code, "process.exit.code")                             \
    KEY(exit_signal, "cvf.process.exit_signal")                     \
    KEY(packets_read, "cvf.packets.read")                           \
    KEY(bytes_read, "cvf.bytes.read")                               \
    KEY(records_written, "cvf.records.written")                     \
    KEY(records_lost, "cvf.records.lost")

enum Key : uint8_t {
#define KEY(id, text) id,
    CVF_SUMMARY_KEYS(KEY)
#undef KEY
        key_count
};

constexpr std::array<std::string_view, key_count> keys = {
#define KEY(id, text) text,
    CVF_SUMMARY_KEYS(KEY)
#undef KEY
};

const Value* value(const Record& record, Key key) {
    static const auto fields = [] {
        std::array<std::optional<Field>, key_count> found;
        for (size_t i = 0; i < key_count; ++i) found[i] = record::field_by_key(keys[i]);
        return found;
    }();
    return fields[key] ? record.lookup(*fields[key]) : nullptr;
}

std::string_view text(const Record& record, Key key) {
    const Value* v = value(record, key);
    return v && v->kind == Kind::text ? v->as_text() : std::string_view{};
}

std::optional<uint64_t> number(const Record& record, Key key) {
    const Value* v = value(record, key);
    return v && v->kind == Kind::uint ? std::optional(v->uint) : std::nullopt;
}

std::string address(const Value& v) {
    char out[64];
    const char* end = record::write_ip(out, {v.inline_bytes, v.short_size});
    return {out, static_cast<size_t>(end - out)};
}

// Words with one blank between them; empty ones are left out.
class Words {
 public:
    Words& add(std::string_view word) {
        if (word.empty()) return *this;
        if (!text_.empty()) text_ += ' ';
        text_ += word;
        return *this;
    }
    std::string take() { return std::move(text_); }

 private:
    std::string text_;
};

struct EndKeys {
    Key address, port, process, container, container_id, pod;
};

std::string label(const Record& record, const EndKeys& end, bool with_port) {
    std::string name(text(record, end.pod));
    if (name.empty()) name = text(record, end.container);
    if (name.empty()) name = text(record, end.container_id).substr(0, 12);
    const auto process = text(record, end.process);
    if (!name.empty() && !process.empty()) name += '/';
    name += process;
    const auto port = with_port ? number(record, end.port) : std::nullopt;
    if (name.empty()) {
        const Value* v = value(record, end.address);
        if (!v || v->kind != Kind::ip) return {};
        name = address(*v);
        if (port && v->short_size == 16) name = '[' + name + ']';
    }
    if (port) name += fmt::format(":{}", *port);
    return name;
}

Summary flow(const Record& record) {
    Words words;
    words.add(text(record, protocol)).add(text(record, server_address));
    // Of a connection that is older than the agent nothing may have been counted.
    const bool counted = number(record, source_packets).value_or(0) + number(record, destination_packets).value_or(0) > 0;
    const auto direction = [&](Key packets, Key bytes, std::string_view arrow) {
        const auto p = number(record, packets);
        const auto b = number(record, bytes);
        if (counted && p && b)
            words.add(fmt::format("{} {} {} {}", arrow, show_count(*p), *p == 1 ? "pkt" : "pkts", show_bytes(*b)));
    };
    direction(source_packets, source_bytes, "↑");
    direction(destination_packets, destination_bytes, "↓");
    words.add(text(record, flow_reason));
    return {words.take(), Tone::plain};
}

Summary dns(const Record& record) {
    Words words;
    words.add(text(record, dns_type)).add(text(record, dns_name));
    if (const auto unanswered = text(record, dns_unanswered); !unanswered.empty())
        return {words.add(fmt::format("no answer ({})", unanswered)).take(), Tone::warning};
    const auto code = text(record, dns_code);
    if (!code.empty() && code != "NOERROR") return {words.add(code).take(), Tone::warning};
    std::string answers;
    const Value* resolved = value(record, dns_resolved);
    const Value* others = value(record, dns_answers);
    if (resolved && resolved->kind == Kind::list_ip) {
        for (const Value& v : resolved->as_items().first(std::min<size_t>(4, resolved->size)))
            answers += (answers.empty() ? "" : ", ") + address(v);
        if (resolved->size > 4) answers += fmt::format(", {} more", resolved->size - 4);
    } else if (others && others->kind == Kind::list_text && others->size > 0) {
        answers = others->as_items()[0].as_text();
        if (others->size > 1) answers += fmt::format(", {} more", others->size - 1);
    }
    if (!answers.empty()) words.add("→").add(answers);
    return {words.take(), Tone::plain};
}

Summary http(const Record& record) {
    Words words;
    std::string target(text(record, server_address));
    if (target.find(':') != std::string::npos) target = '[' + target + ']';
    target += text(record, http_path);
    if (const auto query = text(record, http_query); !query.empty()) target += fmt::format("?{}", query);
    words.add(text(record, http_method)).add(target);
    const auto status = number(record, http_status);
    if (status) words.add(fmt::format("{}", *status));
    if (const auto size = number(record, http_size); size && *size > 0) words.add(show_bytes(*size));
    return {words.take(), !status || *status < 400 ? Tone::plain : *status < 500 ? Tone::warning : Tone::error};
}

Summary tls(const Record& record) {
    Words words;
    if (const auto version = text(record, tls_version); !version.empty()) {
        std::string name(text(record, tls_protocol));
        for (char& c : name) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
        words.add(name).add(version);
    } else {
        words.add(text(record, protocol_version));
    }
    auto name = text(record, tls_name);
    if (name.empty()) name = text(record, server_address);
    return {words.add(name).add(text(record, tls_alpn)).add(text(record, tls_cipher)).take(), Tone::plain};
}

Summary process(const Record& record) {
    Words words;
    words.add(text(record, action));
    const auto path = text(record, process_path);
    words.add(path.empty() ? text(record, process_name) : path);
    if (const auto n = number(record, pid)) words.add(fmt::format("pid {}", *n));
    if (const auto n = number(record, parent_pid)) words.add(fmt::format("of {}", *n));
    const auto code = number(record, exit_code);
    if (code) words.add(fmt::format("code {}", *code));
    const auto signal = text(record, exit_signal);
    return {words.add(signal).take(), (code && *code != 0) || !signal.empty() ? Tone::warning : Tone::plain};
}

Summary event(const Record& record) {
    Words words;
    words.add(text(record, action)).add(text(record, reason));
    if (const auto state = text(record, new_state); !state.empty()) words.add(text(record, old_state)).add("→").add(state);
    return {words.take(), Tone::warning};
}

Summary icmp(const Record& record) {
    Words words;
    words.add(text(record, icmp_message)).add(text(record, icmp_reason));
    if (const auto n = number(record, icmp_sequence)) words.add(fmt::format("seq {}", *n));
    const auto unanswered = text(record, icmp_unanswered);
    if (unanswered.empty()) return {words.take(), Tone::plain};
    return {words.add(fmt::format("no answer ({})", unanswered)).take(), Tone::warning};
}

Summary health(const Record& record) {
    Words words;
    const auto packets = number(record, packets_read);
    const auto lost = number(record, records_lost);
    if (packets) words.add(show_count(*packets) + " packets");
    if (const auto n = number(record, bytes_read)) words.add(show_bytes(*n));
    if (const auto n = number(record, records_written)) words.add(show_count(*n) + " records written");
    if (lost && *lost > 0) words.add(show_count(*lost) + " lost");
    return {words.take(), lost && *lost > 0 ? Tone::warning : Tone::plain};
}

Summary of_type(const Record& record) {
    switch (record.type()) {
        case RecordType::flow:
            return flow(record);
        case RecordType::dns:
            return dns(record);
        case RecordType::http:
            return http(record);
        case RecordType::tls:
        case RecordType::quic:
            return tls(record);
        case RecordType::icmp:
            return icmp(record);
        case RecordType::arp:
            return {std::string(text(record, arp_operation)), Tone::plain};
        case RecordType::lldp:
            return {Words().add(text(record, lldp_name)).add(text(record, lldp_port)).take(), Tone::plain};
        case RecordType::process:
            return process(record);
        case RecordType::event:
            return event(record);
        case RecordType::health:
            return health(record);
        case RecordType::metric:
            return summarize_metric(record);
        default:
            return {};
    }
}

}  // namespace

Summary summarize(const Record& record) {
    Summary summary = of_type(record);
    const auto add = [&](std::string_view what, Tone tone) {
        if (what.empty() || summary.text.find(what) != std::string::npos) return;
        summary.text += summary.text.empty() ? "" : " · ";
        summary.text += what;
        summary.tone = std::max(summary.tone, tone);
    };
    add(text(record, violation), Tone::warning);
    if (const auto error = text(record, error_type); record.type() != RecordType::http || !number(record, http_status))
        add(error, Tone::error);
    return summary;
}

std::string source_label(const Record& record) {
    return label(record, {source_address, source_port, source_process, source_container, source_container_id, source_pod}, false);
}

std::string destination_label(const Record& record) {
    return label(record,
                 {destination_address, destination_port, destination_process, destination_container, destination_container_id,
                  destination_pod},
                 true);
}

std::span<const std::string_view> summary_keys() {
    return keys;
}

}  // namespace cvf::sink
