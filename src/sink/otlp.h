// Records to an OpenTelemetry collector, OTLP/HTTP with JSON: records as log records (POST /v1/logs), flow records and sums over
// windows as metrics (POST /v1/metrics) unless asked otherwise. What becomes of which field: docs/sinks.md.
//
// Log batches go when they have `batch_bytes` or are `linger` old. Flow records are summed by their ends, protocol and owners
// over `interval`, or over less when very many differ. Delivered means that the collector has answered 2xx; what it says it has
// rejected (partial success) counts as lost.
//
// Thread rule and accounting: as in record_sink.h and outbox.h. Source: OTLP specification 1.3 (OTLP/HTTP, JSON Protobuf
// encoding).
#pragma once

#include <chrono>
#include <expected>
#include <memory>
#include <string>

#include "http/client.h"
#include "sink/record_sink.h"
#include "sink/sink.h"

namespace cvf::sink {

enum class FlowsAs : uint8_t { metrics, logs };

struct OtlpOptions {
    std::string url;         // base, as in OTEL_EXPORTER_OTLP_ENDPOINT: http://HOST:4318; /v1/logs and /v1/metrics are added
    std::string node;        // host.name of the resource
    std::string token_file;  // its first line is sent as a bearer token; empty: none
    http::ClientTls tls = {};
    FlowsAs flows = FlowsAs::metrics;
    size_t batch_bytes = 512 * 1024;
    std::chrono::milliseconds linger{1000};
    std::chrono::milliseconds interval{10000};
    std::chrono::milliseconds timeout{10000};  // for one request
    std::chrono::milliseconds first_wait{500}, longest_wait{30000};
    size_t memory_bytes = 16u << 20;
    Complaint complain = {};
};

std::expected<std::unique_ptr<RecordSink>, std::string> make_otlp_sink(const OtlpOptions& options);

}  // namespace cvf::sink
