#include "directive/sample.h"

#include <algorithm>
#include <cstring>
#include <string_view>

namespace cvf::directive {

namespace {

using record::Field;
using record::Value;

constexpr double second = 1e9;

struct End {
    const Value *address = nullptr, *port = nullptr, *wire_address = nullptr, *wire_port = nullptr;

    // Address, then port, as bytes that compare and hash: 18 of them.
    void bytes(uint8_t* out) const {
        std::memset(out, 0, 18);
        if (const Value* a = wire_address ? wire_address : address) std::memcpy(out, a->inline_bytes, a->short_size);
        const Value* p = wire_port ? wire_port : port;
        const uint64_t number = p ? p->uint : 0;
        out[16] = static_cast<uint8_t>(number >> 8);
        out[17] = static_cast<uint8_t>(number);
    }
};

struct Conversation {
    End source, destination;
    std::string_view transport;

    void see(const record::FieldSet& set) {
        for (const Value& v : set.values()) {
            switch (v.field) {
                case Field::source_address:
                    source.address = &v;
                    break;
                case Field::source_port:
                    source.port = &v;
                    break;
                case Field::source_nat_ip:
                    source.wire_address = &v;
                    break;
                case Field::source_nat_port:
                    source.wire_port = &v;
                    break;
                case Field::destination_address:
                    destination.address = &v;
                    break;
                case Field::destination_port:
                    destination.port = &v;
                    break;
                case Field::destination_nat_ip:
                    destination.wire_address = &v;
                    break;
                case Field::destination_nat_port:
                    destination.wire_port = &v;
                    break;
                case Field::network_transport:
                    transport = v.as_text();
                    break;
                default:
                    break;
            }
        }
    }
};

// Little-endian on every machine, so that all give the same hash.
uint64_t load(const uint8_t* bytes, size_t n) {
    uint64_t v = 0;
    for (size_t i = 0; i < n; ++i) v |= static_cast<uint64_t>(bytes[i]) << (8 * i);
    return v;
}

// MurmurHash3's finalizer: every bit of the outcome depends on every bit of v.
uint64_t scatter(uint64_t v) {
    v ^= v >> 33;
    v *= 0xff51afd7ed558ccd;
    v ^= v >> 33;
    v *= 0xc4ceb9fe1a85ec53;
    return v ^ v >> 33;
}

}  // namespace

std::optional<uint64_t> conversation_hash(const record::Record& record) {
    Conversation c;
    c.see(record);
    for (const record::FieldSet* set : record.attached()) c.see(*set);
    // ARP names addresses too, but is no conversation.
    if (!c.source.address || !c.destination.address || record.type() == record::RecordType::arp) return {};
    uint8_t a[18], b[18];
    c.source.bytes(a);
    c.destination.bytes(b);
    const bool swap = std::memcmp(a, b, sizeof a) > 0;
    const uint8_t *low = swap ? b : a, *high = swap ? a : b;
    uint64_t hash = 0x9e3779b97f4a7c15;
    for (const uint8_t* end : {low, high}) {
        hash = scatter(hash ^ load(end, 8));
        hash = scatter(hash ^ load(end + 8, 8));
        hash = scatter(hash ^ load(end + 16, 2));
    }
    for (size_t i = 0; i < c.transport.size(); i += 8)
        hash = scatter(
            hash ^ load(reinterpret_cast<const uint8_t*>(c.transport.data()) + i, std::min<size_t>(8, c.transport.size() - i)));
    return hash;
}

bool in_sample(const record::Record& record, uint32_t one_in) {
    if (one_in <= 1) return true;
    const std::optional<uint64_t> hash = conversation_hash(record);
    return !hash || in_sample(*hash, one_in);
}

RateSampler::RateSampler(uint64_t per_second) : per_second_(per_second), tokens_(static_cast<double>(per_second)) {}

bool RateSampler::take(const record::Record& record, int64_t now) {
    return take(conversation_hash(record).value_or(0), now);
}

bool RateSampler::take(uint64_t hash, int64_t now) {
    adjust(now);
    if (hash > threshold_) return false;
    ++taken_;
    if (tokens_ < 1) return false;
    tokens_ -= 1;
    return true;
}

void RateSampler::adjust(int64_t now) {
    const double rate = static_cast<double>(per_second_);
    if (begin_ == 0 || now < begin_) begin_ = refilled_ = now;
    tokens_ = std::min(tokens_ + static_cast<double>(now - refilled_) / second * rate, rate * 2);
    refilled_ = now;
    const double passed = static_cast<double>(now - begin_) / second;
    const bool far_too_many = static_cast<double>(taken_) > rate * 2;
    if (passed < 1 && !far_too_many) return;
    // What the present share gave, against what is wanted. Up slowly, for a share that swings cuts conversations.
    const double given = static_cast<double>(taken_) / std::max(passed, 0.001);
    const double factor = given > 0 ? std::clamp(rate / given, 1.0 / 64, 1.25) : 1.25;
    if (factor < 0.98 || (factor > 1.1 && threshold_ != UINT64_MAX)) {
        const double next = static_cast<double>(threshold_) * factor;
        threshold_ = next >= 0x1p64 ? UINT64_MAX : std::max<uint64_t>(static_cast<uint64_t>(next), 1);
    }
    taken_ = 0;
    begin_ = now;
}

}  // namespace cvf::directive
