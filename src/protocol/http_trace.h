// Trace context that a request carries: read, never written.
//
// W3C Trace Context (traceparent, level 1 section 3.2) and Zipkin's B3 in its single-header and its several-headers form. Ids
// that are not hexadecimal, of the wrong length or all zero are no ids. What is returned points into the argument.
#pragma once

#include <string_view>

namespace cvf::protocol::http1 {

struct TraceContext {
    std::string_view trace_id;  // 32 digits, for B3 also 16; empty when there is none
    std::string_view span_id;   // 16 digits
};

TraceContext parse_traceparent(std::string_view value);
TraceContext parse_b3(std::string_view value);
bool is_trace_id(std::string_view text);
bool is_span_id(std::string_view text);

}  // namespace cvf::protocol::http1
