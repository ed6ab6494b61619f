#include "directive/pushdown.h"

#include <algorithm>
#include <cstring>
#include <span>
#include <utility>

#include "filter/literal.h"
#include "filter/syntax.h"

namespace cvf::directive {

namespace {

using filter::Syntax;
using filter::SyntaxKind;
using record::Field;

// Which set a field is asked about in.
enum class Slot : uint8_t { none, port, address, transport, process, cgroup, name_space, pod, container };

Slot slot_of(Field field) {
    switch (field) {
        case Field::source_port:
        case Field::destination_port:
            return Slot::port;
        case Field::source_address:
        case Field::destination_address:
            return Slot::address;
        case Field::network_transport:
            return Slot::transport;
        case Field::source_process_name:
        case Field::destination_process_name:
        case Field::process_name:
            return Slot::process;
        case Field::source_process_cgroup:
        case Field::destination_process_cgroup:
        case Field::process_cgroup:
            return Slot::cgroup;
        case Field::source_pod_namespace:
        case Field::destination_pod_namespace:
        case Field::pod_namespace:
            return Slot::name_space;
        case Field::source_pod_name:
        case Field::destination_pod_name:
        case Field::pod_name:
            return Slot::pod;
        case Field::source_container_id:
        case Field::destination_container_id:
        case Field::container_id:
            return Slot::container;
        default:
            return Slot::none;
    }
}

std::optional<std::vector<TextMatch>> Pushdown::* const text_sets[] = {&Pushdown::transports, &Pushdown::processes,
                                                                       &Pushdown::cgroups,    &Pushdown::namespaces,
                                                                       &Pushdown::pods,       &Pushdown::containers};

std::optional<std::vector<TextMatch>> Pushdown::* text_set(Slot slot) {
    return slot >= Slot::transport ? text_sets[static_cast<size_t>(slot) - static_cast<size_t>(Slot::transport)] : nullptr;
}

std::optional<std::string> dotted(const Syntax& s) {
    if (s.kind == SyntaxKind::name) return s.text;
    if (s.kind != SyntaxKind::member) return {};
    auto left = dotted(s.children[0]);
    if (left) *left += "." + s.text;
    return left;
}

// The field, where an expression is one that a set speaks of.
Slot field_slot(const Syntax& s) {
    const auto name = dotted(s);
    const auto field = name ? record::field_by_key(*name) : std::nullopt;
    return field ? slot_of(*field) : Slot::none;
}

Pushdown anything() {
    Pushdown p;
    p.types.set();
    return p;
}
Pushdown never() {
    return {};
}

// --- narrower of two sets that must both hold

uint64_t width(const std::vector<PortRange>& set) {
    uint64_t n = 0;
    for (const PortRange& r : set) n += static_cast<uint64_t>(r.last - r.first) + 1;
    return n;
}
double width(const std::vector<Network>& set) {
    double n = 0;
    // Of the family's space, so that a /8 and an IPv6 /8 weigh the same.
    for (const Network& w : set) n += 1.0 / static_cast<double>(uint64_t{1} << std::min<unsigned>(w.prefix, 63));
    return n;
}
size_t width(const std::vector<TextMatch>& set) {
    return set.size();
}

template <typename T>
void narrow(std::optional<std::vector<T>>& a, std::optional<std::vector<T>>&& b) {
    if (b && (!a || width(*b) < width(*a))) a = std::move(b);
}
template <typename T>
void widen(std::optional<std::vector<T>>& a, const std::optional<std::vector<T>>& b) {
    if (!a) return;
    if (!b) return a.reset();
    for (const T& entry : *b)
        if (std::ranges::find(*a, entry) == a->end()) a->push_back(entry);
    if (a->size() > max_pushdown_entries) a.reset();
}

Pushdown both(Pushdown a, Pushdown b) {
    a.types &= b.types;
    narrow(a.ports, std::move(b.ports));
    narrow(a.addresses, std::move(b.addresses));
    for (const auto set : text_sets) narrow(a.*set, std::move(b.*set));
    return a;
}

// --- what a comparison says

struct Constant {
    const Syntax* syntax;
};

std::optional<uint64_t> whole(const Syntax& s) {
    if (s.kind == SyntaxKind::literal_int && s.integer >= 0) return static_cast<uint64_t>(s.integer);
    if (s.kind == SyntaxKind::literal_uint) return s.number;
    return {};
}

std::optional<Network> network_of(const std::optional<record::Value>& parsed, bool has_prefix) {
    if (!parsed) return {};
    Network network;
    network.size = parsed->short_size;
    network.prefix = has_prefix ? static_cast<uint8_t>(parsed->size) : static_cast<uint8_t>(network.size * 8);
    std::memcpy(network.bytes.data(), parsed->inline_bytes, network.size);
    return network;
}

// The field is one of these values.
Pushdown one_of(Slot slot, std::span<const Syntax> values) {
    Pushdown p = anything();
    if (values.size() > max_pushdown_entries) return p;
    std::vector<PortRange> ports;
    std::vector<Network> addresses;
    std::vector<TextMatch> texts;
    for (const Syntax& value : values) {
        if (slot == Slot::port) {
            const auto port = whole(value);
            if (!port) return p;  // not a plain number: nothing is known
            if (*port <= 65'535) ports.push_back({static_cast<uint16_t>(*port), static_cast<uint16_t>(*port)});
        } else {
            if (value.kind != SyntaxKind::literal_text) return p;
            if (slot == Slot::address) {
                const auto network = network_of(filter::parse_ip(value.text), false);
                if (!network) return p;
                addresses.push_back(*network);
            } else {
                texts.push_back({value.text, false});
            }
        }
    }
    if (slot == Slot::port)
        p.ports = std::move(ports);
    else if (slot == Slot::address)
        p.addresses = std::move(addresses);
    else
        p.*text_set(slot) = std::move(texts);
    return p;
}

Pushdown port_range(std::string_view relation, uint64_t bound) {
    Pushdown p = anything();
    uint64_t first = 0, last = 65'535;
    if (relation == "<") {
        if (bound == 0) return never();
        last = bound - 1;
    } else if (relation == "<=") {
        last = bound;
    } else if (relation == ">") {
        first = bound < 65'536 ? bound + 1 : bound;
    } else {
        first = bound;
    }
    last = std::min<uint64_t>(last, 65'535);
    p.ports.emplace();
    if (first <= last) p.ports->push_back({static_cast<uint16_t>(first), static_cast<uint16_t>(last)});
    return p;
}

std::string_view turned(std::string_view relation) {
    return relation == "<" ? ">" : relation == "<=" ? ">=" : relation == ">" ? "<" : relation == ">=" ? "<=" : relation;
}

Pushdown relation(const Syntax& s) {
    const Syntax *field = &s.children[0], *other = &s.children[1];
    std::string_view how = s.text;
    Slot slot = field_slot(*field);
    if (how == "in") {
        if (slot == Slot::none || other->kind != SyntaxKind::list) return anything();
        return one_of(slot, other->children);
    }
    if (slot == Slot::none) {
        std::swap(field, other);
        slot = field_slot(*field);
        how = turned(how);
    }
    if (slot == Slot::none || how == "!=") return anything();
    if (how == "==") return one_of(slot, std::span(other, 1));
    const auto bound = whole(*other);
    return slot == Slot::port && bound ? port_range(how, *bound) : anything();
}

// `cidr("…").containsIP(field)`, `field.startsWith("…")`
Pushdown method(const Syntax& s) {
    Pushdown p = anything();
    if (s.children.size() != 2) return p;
    const Syntax &target = s.children[0], &argument = s.children[1];
    if (s.text == "startsWith") {
        const Slot slot = field_slot(target);
        if (slot < Slot::transport || argument.kind != SyntaxKind::literal_text) return p;
        (p.*text_set(slot)).emplace().push_back({argument.text, true});
    } else if (s.text == "containsIP") {
        const Syntax& inner = argument.kind == SyntaxKind::call && argument.text == "ip" && argument.children.size() == 1
                                  ? argument.children[0]
                                  : argument;
        if (field_slot(inner) != Slot::address || target.kind != SyntaxKind::call || target.text != "cidr" ||
            target.children.size() != 1 || target.children[0].kind != SyntaxKind::literal_text)
            return p;
        if (const auto network = network_of(filter::parse_cidr(target.children[0].text), true))
            p.addresses.emplace().push_back(*network);
    }
    return p;
}

// What must hold for `s` to be true. An expression whose outcome is an error matches as little as one that is false, so the parts
// of && must all be true, and of || one.
Pushdown needed(const Syntax& s) {
    switch (s.kind) {
        case SyntaxKind::literal_bool:
            return s.flag ? anything() : never();
        case SyntaxKind::all_of: {
            Pushdown p = anything();
            for (const Syntax& child : s.children) p = both(std::move(p), needed(child));
            return p;
        }
        case SyntaxKind::any_of: {
            Pushdown p = never();
            for (const Syntax& child : s.children) p = either(p, needed(child));
            return p;
        }
        case SyntaxKind::choice:  // c ? a : b is true by (c and a), or by b
            return either(both(needed(s.children[0]), needed(s.children[1])), needed(s.children[2]));
        case SyntaxKind::relation:
            return relation(s);
        case SyntaxKind::method:
            return method(s);
        default:
            return anything();
    }
}

template <typename F>
bool some_value(const record::Record& record, Slot slot, F&& test) {
    const auto in = [&](const record::FieldSet& set) {
        return std::ranges::any_of(set.values(), [&](const record::Value& v) { return slot_of(v.field) == slot && test(v); });
    };
    return in(record) || std::ranges::any_of(record.attached(), [&](const record::FieldSet* set) { return in(*set); });
}

bool inside(const Network& network, const record::Value& ip) {
    if (ip.short_size != network.size) return false;
    const size_t bytes = network.prefix / 8, bits = network.prefix % 8;
    if (std::memcmp(network.bytes.data(), ip.inline_bytes, bytes) != 0) return false;
    return bits == 0 || ((network.bytes[bytes] ^ ip.inline_bytes[bytes]) >> (8 - bits)) == 0;
}

}  // namespace

bool Pushdown::nothing() const {
    if (types.none() || (ports && ports->empty()) || (addresses && addresses->empty())) return true;
    return std::ranges::any_of(text_sets, [this](const auto set) { return this->*set && (this->*set)->empty(); });
}

Pushdown either(const Pushdown& a, const Pushdown& b) {
    if (a.nothing()) return b;
    if (b.nothing()) return a;
    Pushdown p = a;
    p.types |= b.types;
    widen(p.ports, b.ports);
    widen(p.addresses, b.addresses);
    for (const auto set : text_sets) widen(p.*set, b.*set);
    return p;
}

Pushdown pushdown_of(const filter::Filter& filter, filter::TypeBits types) {
    const auto syntax = filter::parse(filter.source());
    Pushdown p = syntax ? needed(*syntax) : anything();
    p.types &= filter.possible_types() & types;
    return p;
}

bool may_match(const Pushdown& p, const record::Record& record) {
    if (!p.types[static_cast<size_t>(record.type())]) return false;
    if (p.ports && !some_value(record, Slot::port, [&](const record::Value& v) {
            return std::ranges::any_of(*p.ports, [&](const PortRange& r) { return v.uint >= r.first && v.uint <= r.last; });
        }))
        return false;
    if (p.addresses && !some_value(record, Slot::address, [&](const record::Value& v) {
            return std::ranges::any_of(*p.addresses, [&](const Network& n) { return inside(n, v); });
        }))
        return false;
    for (size_t i = 0; i < std::size(text_sets); ++i) {
        const auto& set = p.*text_sets[i];
        if (!set) continue;
        const Slot slot = static_cast<Slot>(static_cast<size_t>(Slot::transport) + i);
        if (!some_value(record, slot, [&](const record::Value& v) {
                return std::ranges::any_of(
                    *set, [&](const TextMatch& m) { return m.prefix ? v.as_text().starts_with(m.text) : v.as_text() == m.text; });
            }))
            return false;
    }
    return true;
}

}  // namespace cvf::directive
