// Records in OTLP's JSON: 64-bit integers as text, ids in hex, enums as numbers. Always valid UTF-8, as record/json.h says.
//
// Functions of values to bytes; any thread. Source: opentelemetry-proto 1.3 (common, logs), ProtoJSON.
#pragma once

#include <cstdint>
#include <string_view>

#include "record/buffer.h"
#include "record/json.h"
#include "record/record.h"

namespace cvf::sink::otlp {

// {"key":K,"value":{…}}. False, with nothing written, for numbers that JSON cannot hold.
bool write_attribute(std::string_view key, const record::Value& value, record::Buffer& out);
void write_attribute(std::string_view key, std::string_view text, record::Buffer& out);
// "123", quotes included; 0 for what lies before 1970.
void write_nanoseconds(int64_t unix_ns, record::Buffer& out);
void write_number(uint64_t value, record::Buffer& out);  // "123", quotes included

// "resource":{…},"scope…":[{"scope":{…}, as a whole request begins, up to the opening bracket of its entries; and its end.
void begin_logs(std::string_view node, record::Buffer& out);
void end_logs(record::Buffer& out);
void begin_metrics(std::string_view node, record::Buffer& out);
void end_metrics(record::Buffer& out);

// One LogRecord. `node` is not said again. With a projection the body is the record's type alone: the summary draws on any field.
void write_log(const record::Record& record, const record::Projection* fields, std::string_view node, int64_t observed,
               record::Buffer& out);

}  // namespace cvf::sink::otlp
