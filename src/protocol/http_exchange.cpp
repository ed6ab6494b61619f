#include "protocol/http_exchange.h"

#include <array>
#include <cstring>

#include "record/fields.h"

namespace cvf::protocol::http1 {

using record::Field;
using record::Record;

namespace {

constexpr size_t slot_count = static_cast<size_t>(Slot::count);
using Fields = std::array<Field, slot_count>;

constexpr Fields nothing = [] {
    Fields fields{};
    for (Field& f : fields) f = Field::count;
    return fields;
}();

constexpr Fields request_fields = [] {
    Fields f = nothing;
    const auto set = [&f](Slot slot, Field field) { f[static_cast<size_t>(slot)] = field; };
    set(Slot::method_original, Field::http_request_method_original);
    set(Slot::scheme, Field::url_scheme);
    set(Slot::path, Field::url_path);
    set(Slot::query, Field::url_query);
    set(Slot::host, Field::server_address);
    set(Slot::user_agent, Field::user_agent_original);
    set(Slot::auth_scheme, Field::http_auth_scheme);
    set(Slot::trace_id, Field::trace_id);
    set(Slot::span_id, Field::span_id);
    set(Slot::content_type, Field::http_request_header_content_type);
    set(Slot::content_encoding, Field::http_request_header_content_encoding);
    set(Slot::transfer_encoding, Field::http_request_header_transfer_encoding);
    set(Slot::range, Field::http_request_header_range);
    set(Slot::referer, Field::http_request_header_referer);
    set(Slot::origin, Field::http_request_header_origin);
    set(Slot::upgrade, Field::http_request_header_upgrade);
    set(Slot::via, Field::http_request_header_via);
    set(Slot::forwarded, Field::http_request_header_forwarded);
    set(Slot::x_forwarded_for, Field::http_request_header_x_forwarded_for);
    set(Slot::x_forwarded_host, Field::http_request_header_x_forwarded_host);
    set(Slot::x_forwarded_proto, Field::http_request_header_x_forwarded_proto);
    set(Slot::x_real_ip, Field::http_request_header_x_real_ip);
    set(Slot::x_request_id, Field::http_request_header_x_request_id);
    return f;
}();

constexpr Fields response_fields = [] {
    Fields f = nothing;
    const auto set = [&f](Slot slot, Field field) { f[static_cast<size_t>(slot)] = field; };
    set(Slot::content_type, Field::http_response_header_content_type);
    set(Slot::content_encoding, Field::http_response_header_content_encoding);
    set(Slot::transfer_encoding, Field::http_response_header_transfer_encoding);
    set(Slot::content_range, Field::http_response_header_content_range);
    set(Slot::location, Field::http_response_header_location);
    set(Slot::server, Field::http_response_header_server);
    set(Slot::upgrade, Field::http_response_header_upgrade);
    set(Slot::via, Field::http_response_header_via);
    set(Slot::retry_after, Field::http_response_header_retry_after);
    set(Slot::x_cache, Field::http_response_header_x_cache);
    set(Slot::x_request_id, Field::http_response_header_x_request_id);
    set(Slot::envoy_time, Field::http_response_header_x_envoy_upstream_service_time);
    return f;
}();

// All values of a header that stands more than once, as one list at its first place.
void add_repeated(Record& record, Field field, std::span<const Item> items, size_t at) {
    for (size_t i = 0; i < at; ++i)
        if (items[i].slot == items[at].slot) return;
    std::array<std::string_view, 48> values;
    size_t n = 0;
    for (size_t i = at; i < items.size() && n < values.size(); ++i)
        if (items[i].slot == items[at].slot) values[n++] = items[i].text();
    record.texts(field, std::span(values.data(), n));
}

void add_items(Record& record, const Fields& fields, std::span<const Item> items, bool repeated) {
    for (size_t i = 0; i < items.size(); ++i) {
        const Field field = fields[static_cast<size_t>(items[i].slot)];
        if (field == Field::count) continue;
        if (!may_repeat(items[i].slot))
            record.text(field, items[i].text());
        else if (repeated)
            add_repeated(record, field, items, i);
        else {
            const std::string_view text = items[i].text();
            record.texts(field, std::span(&text, 1));
        }
    }
}

uint64_t elapsed(int64_t from, int64_t to) {
    return to > from ? static_cast<uint64_t>(to - from) : 0;
}

}  // namespace

size_t kept_size(std::span<const Item> items) {
    size_t bytes = items.size_bytes();
    for (const Item& item : items) bytes += item.size;
    return bytes;
}

void keep_items(std::span<const Item> items, void* memory) {
    Item* out = static_cast<Item*>(memory);
    char* text = reinterpret_cast<char*>(out + items.size());
    for (const Item& item : items) {
        std::memcpy(text, item.data, item.size);
        new (out++) Item{text, item.size, item.slot};
        text += item.size;
    }
}

void KeptItems::keep(std::span<const Item> items) {
    bytes_ = static_cast<uint32_t>(kept_size(items) + 1);
    block_.reset(static_cast<char*>(::operator new(bytes_)));
    count_ = static_cast<uint32_t>(items.size());
    keep_items(items, block_.get());
}

Exchange* Exchange::make(std::span<const Item> request) {
    const size_t size = sizeof(Exchange) + kept_size(request);
    Exchange* exchange = new (::operator new(size)) Exchange;
    exchange->memory = static_cast<uint32_t>(size);
    exchange->item_count = static_cast<uint32_t>(request.size());
    keep_items(request, exchange + 1);
    return exchange;
}

void fill_record(Record& record, const Exchange& x, std::span<const Item> response, bool response_repeated) {
    if (x.request_seen) {
        record.text(Field::http_request_method, method_name(x.method));
        if (!x.absolute && x.method != Method::connect) record.text(Field::url_scheme, "http");
        add_items(record, request_fields, x.request_items(), x.repeated);
        if (x.port) record.uint(Field::server_port, x.port);
        if (x.expect_continue) record.flag(Field::http_expect_continue, true);
        if (x.request_size_known) {
            record.uint(Field::http_request_size, x.request_size);
            record.uint(Field::http_request_body_size, x.request_body);
        }
    }
    if (x.interim_count) {
        uint64_t interim[sizeof(x.interim) / sizeof(x.interim[0])];
        for (size_t i = 0; i < x.interim_count; ++i) interim[i] = x.interim[i];
        record.uints(Field::http_interim, std::span(interim, x.interim_count));
    }
    if (x.response_seen) {
        if (x.status) record.uint(Field::http_response_status_code, x.status);
        add_items(record, response_fields, response, response_repeated);
        if (x.response_size_known) {
            record.uint(Field::http_response_size, x.response_size);
            record.uint(Field::http_response_body_size, x.response_body);
        }
        if (x.request_seen) {
            record.uint(Field::event_duration, elapsed(x.request_start, x.response_head));
            record.uint(Field::http_time_to_first_byte, elapsed(x.request_start, x.response_start));
        }
        if (x.response_done && x.response_size_known)
            record.uint(Field::http_response_duration, elapsed(x.response_start, x.response_end));
    }
    record.uint(Field::http_sequence, x.sequence);
    if (x.status >= 500) {
        char* digits = static_cast<char*>(record.arena().take(3, 1));
        for (int i = 2, status = x.status; i >= 0; --i, status /= 10) digits[i] = static_cast<char>('0' + status % 10);
        record.text(Field::error_type, {digits, 3});
    } else if (!x.error.empty()) {
        record.text(Field::error_type, x.error);
    }
    if (!x.violation.empty()) record.text(Field::cvf_violation, x.violation);
    if (x.shortened) record.flag(Field::http_shortened, true);
    if (x.truncated) record.flag(Field::cvf_truncated, true);
}

}  // namespace cvf::protocol::http1
