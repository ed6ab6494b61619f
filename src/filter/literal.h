// Text that stands for a value: addresses, networks, durations and times, as filters write them.
//
// All functions are pure, allocate nothing and take any bytes. An address is a record::Value of kind ip (4 or 16 bytes, network
// order); a network is the same with the prefix length in `size`. Sources: RFC 4291 section 2.2 and RFC 5952 (addresses), RFC
// 4632 (networks), RFC 3339 (times), CEL language definition (durations).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "record/record.h"

namespace cvf::filter {

// Any notation of an address that is valid; no zone, no leading zeros in IPv4. The result's field is not set.
std::optional<record::Value> parse_ip(std::string_view text);

// ADDRESS/LENGTH; bits behind the length may be set, as in Kubernetes.
std::optional<record::Value> parse_cidr(std::string_view text);

// ::ffff:a.b.c.d, which the ip() and cidr() of Kubernetes refuse.
bool is_mapped(const record::Value& ip);

// Whether the first `prefix` bits of both are the same; false for addresses of two families.
bool same_network(const record::Value& a, const record::Value& b, uint32_t prefix);

// Six pairs of hex digits with '-' or ':' between them, either case.
std::optional<record::Value> parse_mac(std::string_view text);

// CEL durations: [-+] and then numbers with unit, h m s ms us ns ("1h30m", "1.5s"); or "0". Nanoseconds; nothing when out of
// range.
std::optional<int64_t> parse_duration(std::string_view text);

// RFC 3339 with offset or Z. Nanoseconds since 1970-01-01 UTC; nothing outside 1677-09-21 .. 2262-04-11.
std::optional<int64_t> parse_timestamp(std::string_view text);

}  // namespace cvf::filter
