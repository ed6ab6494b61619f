// Records to whoever takes an HTTP POST: JSON lines (application/x-ndjson), many per request.
//
// A batch goes when it has `batch_bytes` or is `linger` old. Delivered means that the server has answered 2xx; what happens else
// stands in http_carrier.h and docs/sinks.md. Thread rule and accounting: as in record_sink.h and outbox.h.
#pragma once

#include <chrono>
#include <expected>
#include <memory>
#include <string>

#include "http/client.h"
#include "sink/record_sink.h"
#include "sink/sink.h"

namespace cvf::sink {

struct WebhookOptions {
    std::string url;         // http or https, with path and query
    std::string token_file;  // its first line is sent as a bearer token; empty: none
    http::ClientTls tls = {};
    size_t batch_bytes = 256 * 1024;
    std::chrono::milliseconds linger{1000};
    std::chrono::milliseconds timeout{10000};  // for one request
    std::chrono::milliseconds first_wait{500}, longest_wait{30000};
    size_t memory_bytes = 16u << 20;
    Complaint complain = {};
};

std::expected<std::unique_ptr<RecordSink>, std::string> make_webhook_sink(WebhookOptions options);

}  // namespace cvf::sink
