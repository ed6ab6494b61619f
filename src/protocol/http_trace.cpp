#include "protocol/http_trace.h"

#include "protocol/http_text.h"

namespace cvf::protocol::http1 {

namespace {

bool is_id(std::string_view text) {
    bool some = false;
    for (char c : text) {
        if (hex_value(c) < 0) return false;
        some = some || c != '0';
    }
    return some;
}

}  // namespace

bool is_trace_id(std::string_view text) {
    return (text.size() == 32 || text.size() == 16) && is_id(text);
}
bool is_span_id(std::string_view text) {
    return text.size() == 16 && is_id(text);
}

// version(2) '-' trace-id(32) '-' parent-id(16) '-' flags(2); later versions may append more behind another '-'.
TraceContext parse_traceparent(std::string_view v) {
    if (v.size() < 55 || v[2] != '-' || v[35] != '-' || v[52] != '-' || (v.size() > 55 && v[55] != '-')) return {};
    if (hex_value(v[0]) < 0 || hex_value(v[1]) < 0 || v.starts_with("ff")) return {};
    const std::string_view trace = v.substr(3, 32), span = v.substr(36, 16);
    if (!is_id(trace) || !is_id(span)) return {};
    return {trace, span};
}

// trace-id(16 or 32) '-' span-id(16) ['-' sampled ['-' parent]]; a lone sampling state ("0") has no ids.
TraceContext parse_b3(std::string_view v) {
    const size_t dash = v.find('-');
    if (dash == std::string_view::npos) return {};
    const std::string_view trace = v.substr(0, dash), span = v.substr(dash + 1, 16);
    if (!is_trace_id(trace) || !is_span_id(span)) return {};
    if (v.size() > dash + 17 && v[dash + 17] != '-') return {};
    return {trace, span};
}

}  // namespace cvf::protocol::http1
