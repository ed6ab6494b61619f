// Addresses and networks, as Kubernetes' CEL has them.
#include <algorithm>
#include <optional>

#include "filter/evaluation.h"
#include "filter/literal.h"
#include "filter/values.h"

namespace cvf::filter {

using record::Kind;
using record::Value;

const Value* Evaluation::to_ip(const Node& n, Value& scratch) noexcept {
    const Value* v = value(n, scratch);
    if (!v) return nullptr;
    if (v->kind == Kind::text) {
        const std::optional<Value> parsed = parse_ip(v->as_text());
        if (!parsed) return nullptr;
        scratch = *parsed;
        v = &scratch;
    }
    return v->kind == Kind::ip && !is_mapped(*v) ? v : nullptr;
}

const Value* Evaluation::to_cidr(const Node& n, Value& scratch) noexcept {
    const Value* v = value(n, scratch);
    if (!v) return nullptr;
    if (v->kind == Kind::text) {
        const std::optional<Value> parsed = parse_cidr(v->as_text());
        if (!parsed) return nullptr;
        scratch = *parsed;
        v = &scratch;
    } else if (n.type != Type::cidr) {
        return nullptr;  // an address has no prefix
    }
    return v->kind == Kind::ip && !is_mapped(*v) ? v : nullptr;
}

// As Go's netip has it, which is what Kubernetes asks.
Outcome Evaluation::ip_test(const Node& n) noexcept {
    Value scratch;
    const Value* ip = to_ip(child(n, 0), scratch);
    if (!ip) return Outcome::error;
    const uint8_t* b = ip->inline_bytes;
    const bool v4 = ip->short_size == 4;
    const bool zeros = std::all_of(b, b + ip->short_size - 1, [](uint8_t x) { return x == 0; });
    const bool unspecified = zeros && b[ip->short_size - 1] == 0;
    const bool loopback = v4 ? b[0] == 127 : zeros && b[15] == 1;
    const bool link_local = v4 ? b[0] == 169 && b[1] == 254 : b[0] == 0xfe && (b[1] & 0xc0) == 0x80;
    switch (n.op) {
        case Op::is_loopback:
            return outcome(loopback);
        case Op::is_unspecified:
            return outcome(unspecified);
        case Op::is_link_local_unicast:
            return outcome(link_local);
        case Op::is_link_local_multicast:
            return outcome(v4 ? b[0] == 224 && b[1] == 0 && b[2] == 0 : b[0] == 0xff && (b[1] & 0x0f) == 0x02);
        default: {
            const bool multicast = v4 ? (b[0] & 0xf0) == 0xe0 : b[0] == 0xff;
            const bool broadcast = v4 && (b[0] & b[1] & b[2] & b[3]) == 255;
            return outcome(!unspecified && !loopback && !link_local && !multicast && !broadcast);
        }
    }
}

Outcome Evaluation::network_test(const Node& n) noexcept {
    Value one, other;
    const Value* network = to_cidr(child(n, 0), one);
    if (!network) return Outcome::error;
    if (n.op == Op::contains_ip) {
        const Value* ip = to_ip(child(n, 1), other);
        return ip ? outcome(same_network(*network, *ip, network->size)) : Outcome::error;
    }
    const Value* inner = to_cidr(child(n, 1), other);
    return inner ? outcome(network->size <= inner->size && same_network(*network, *inner, network->size)) : Outcome::error;
}

}  // namespace cvf::filter
