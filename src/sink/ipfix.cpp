#include "sink/ipfix.h"

#include <fmt/format.h>
#include <time.h>

#include <array>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "http/address.h"
#include "record/flow_deltas.h"
#include "sink/ipfix_carrier.h"
#include "sink/ipfix_message.h"
#include "sink/outbox.h"

namespace cvf::sink {

namespace {

using Clock = std::chrono::steady_clock;

class Ipfix final : public RecordSink {
 public:
    Ipfix(const IpfixOptions& options, OutboxOptions outbox, std::unique_ptr<Carrier> carrier)
        : message_bytes_(options.message_bytes),
          linger_(options.linger),
          deltas_(::time(nullptr) * 1'000'000'000),
          outbox_(std::move(outbox), std::move(carrier)) {}
    ~Ipfix() override { Ipfix::finish(std::chrono::milliseconds(0)); }

    // Its templates are fixed: `fields` changes nothing.
    size_t write(const record::Record& record, const record::Projection*) override {
        outbox_.give(1);
        const auto id = record.type() == record::RecordType::flow ? ipfix::template_for(record) : std::nullopt;
        if (!id) {
            outbox_.lose(1, "IPFIX takes flow records with addresses alone");
            return 0;
        }
        Open& open = open_[*id == ipfix::template_v6];
        if (!open.parcel) {
            open.parcel = outbox_.begin();
            ipfix::begin(*id, open.parcel->bytes);
            open.since = Clock::now();
        }
        const size_t size = ipfix::record_bytes(*id);
        ipfix::write_record(record, deltas_.take(record), *id, open.parcel->bytes);
        open.parcel->records++;
        if (open.parcel->bytes.size() + size > message_bytes_) outbox_.put(std::move(open.parcel));
        return size;
    }

    void flush() override {
        if (!open_[0].parcel && !open_[1].parcel) return;
        const auto due = Clock::now() - linger_;
        for (Open& open : open_)
            if (open.parcel && open.since <= due) outbox_.put(std::move(open.parcel));
    }

    void finish(std::chrono::milliseconds wait) override {
        for (Open& open : open_)
            if (open.parcel) outbox_.put(std::move(open.parcel));
        outbox_.finish(wait);
    }

    RecordSinkStats stats() const override { return outbox_.stats(); }

 private:
    struct Open {
        ParcelPtr parcel;
        Clock::time_point since;
    };

    const size_t message_bytes_;
    const std::chrono::milliseconds linger_;
    std::array<Open, 2> open_;  // IPv4, IPv6: one set, one message
    record::FlowDeltas deltas_;
    Outbox outbox_;
};

}  // namespace

std::expected<std::unique_ptr<RecordSink>, std::string> make_ipfix_sink(IpfixOptions options) {
    const auto place = http::parse_host_port(options.address);
    if (!place) return std::unexpected(place.error());
    if (place->port == 0) return std::unexpected(fmt::format("'{}': there is no port 0 to send to", options.address));
    const bool tcp = options.transport == IpfixTransport::tcp;
    if (options.message_bytes == 0) options.message_bytes = tcp ? 16 * 1024 : 1400;
    if (options.message_bytes < 512 || options.message_bytes > 65535)
        return std::unexpected(fmt::format("an IPFIX message has 512 to 65535 bytes, not {}", options.message_bytes));
    ipfix::Collector collector;
    collector.host = place->host;
    collector.port = place->port;
    collector.tcp = tcp;
    collector.domain = options.domain.value_or(XXH32(options.node.data(), options.node.size(), 0));
    collector.template_interval = options.template_interval;
    collector.timeout = options.timeout;
    OutboxOptions outbox;
    outbox.name = fmt::format("ipfix {}://{}", tcp ? "tcp" : "udp", options.address);
    outbox.memory_bytes = options.memory_bytes;
    outbox.first_wait = options.first_wait;
    outbox.longest_wait = options.longest_wait;
    outbox.complain = options.complain;
    return std::make_unique<Ipfix>(options, std::move(outbox), ipfix::make_carrier(std::move(collector)));
}

}  // namespace cvf::sink
