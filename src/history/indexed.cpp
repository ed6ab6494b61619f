#include "history/indexed.h"

#include <array>

namespace cvf::history {
namespace {

using enum record::Field;

constexpr record::Field fields[] = {
    record_type,
    host_name,
    source_address,
    destination_address,
    source_port,
    destination_port,
    network_transport,
    network_type,
    network_protocol_name,
    network_protocol_version,
    network_direction,
    server_address,
    error_type,
    event_duration,
    event_action,
    event_reason,
    source_process_name,
    destination_process_name,
    source_process_pid,
    destination_process_pid,
    source_container_name,
    destination_container_name,
    source_container_image,
    destination_container_image,
    source_pod_name,
    destination_pod_name,
    source_pod_namespace,
    destination_pod_namespace,
    source_k8s_container_name,
    destination_k8s_container_name,
    source_netns_name,
    destination_netns_name,
    source_bytes,
    destination_bytes,
    source_packets,
    destination_packets,
    network_bytes,
    network_packets,
    flow_state,
    flow_reason,
    flow_sequence,
    tcp_state,
    source_tcp_retransmits,
    destination_tcp_retransmits,
    source_tcp_rtt,
    destination_tcp_rtt,
    tcp_handshake,
    tcp_connect,
    dns_question_name,
    dns_question_type,
    dns_response_code,
    http_request_method,
    http_response_status_code,
    url_path,
    http_request_body_size,
    http_response_body_size,
    http_time_to_first_byte,
    tls_protocol_version,
    tls_cipher,
    tls_client_server_name,
    process_name,
};

constexpr uint8_t none = 0xff;
static_assert(std::size(fields) < none);

constexpr auto columns = [] {
    std::array<uint8_t, record::field_count> by_field{};
    by_field.fill(none);
    for (size_t i = 0; i < std::size(fields); ++i) by_field[static_cast<size_t>(fields[i])] = static_cast<uint8_t>(i);
    return by_field;
}();

}  // namespace

std::span<const record::Field> indexed_fields() {
    return fields;
}

std::optional<size_t> column_of(record::Field field) {
    const uint8_t column = columns[static_cast<size_t>(field)];
    return column == none ? std::nullopt : std::optional<size_t>(column);
}

}  // namespace cvf::history
