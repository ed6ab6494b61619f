// IPFIX on the wire: templates, sequence, deltas, and collectors that come and go. Judged by nfcapd and tshark in tests/export/.
#include "sink/ipfix.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <map>

#include "sink_export.h"

namespace cvf::sink {
namespace {

using record::Field;

uint64_t number(std::string_view bytes, size_t at, size_t size) {
    uint64_t out = 0;
    for (size_t i = 0; i < size; i++) out = out << 8 | static_cast<uint8_t>(bytes.at(at + i));
    return out;
}

// A collector that understands what its templates say, and nothing else.
class Collector {
 public:
    explicit Collector(bool tcp, uint16_t port = 0) : tcp_(tcp) {
        fd_ = ::socket(AF_INET, (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0);
        const int on = 1;
        ::setsockopt(fd_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        sockaddr_in at{};
        at.sin_family = AF_INET;
        at.sin_port = htons(port);
        at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (::bind(fd_, reinterpret_cast<sockaddr*>(&at), sizeof at) != 0) throw std::runtime_error("bind");
        socklen_t size = sizeof at;
        ::getsockname(fd_, reinterpret_cast<sockaddr*>(&at), &size);
        port_ = ntohs(at.sin_port);
        if (tcp) ::listen(fd_, 4);
    }
    ~Collector() {
        if (peer_ >= 0) ::close(peer_);
        ::close(fd_);
    }
    std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
    uint16_t port() const { return port_; }

    // Reads until so many records have come.
    void read(size_t wanted) {
        if (tcp_ && peer_ < 0 && readable(fd_)) peer_ = ::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
        const int from = tcp_ ? peer_ : fd_;
        char bytes[65536];
        while (records.size() < wanted && readable(from)) {
            const ssize_t n = ::recv(from, bytes, sizeof bytes, 0);
            if (n <= 0) return;
            stream_.append(bytes, static_cast<size_t>(n));
            while (stream_.size() >= 16 && stream_.size() >= number(stream_, 2, 2)) {
                take(std::string_view(stream_).substr(0, number(stream_, 2, 2)));
                stream_.erase(0, number(stream_, 2, 2));
            }
        }
    }

    using Record = std::map<std::pair<uint32_t, uint16_t>, uint64_t>;  // by enterprise and element; addresses: their last 8 bytes
    std::vector<Record> records;
    std::vector<uint64_t> sequences, sizes;  // of each message
    size_t templates = 0;                    // messages with some
    uint64_t domain = 0;

 private:
    static bool readable(int fd) {
        pollfd poll{fd, POLLIN, 0};
        return ::poll(&poll, 1, 5000) > 0;
    }
    void take(std::string_view m) {
        EXPECT_EQ(number(m, 0, 2), 10u);
        EXPECT_NEAR(static_cast<double>(number(m, 4, 4)), static_cast<double>(::time(nullptr)), 5);
        sequences.push_back(number(m, 8, 4));
        sizes.push_back(m.size());
        domain = number(m, 12, 4);
        const uint64_t set = number(m, 16, 2);
        ASSERT_EQ(number(m, 18, 2), m.size() - 16);
        size_t at = 20;
        if (set == 2) {
            templates++;
            while (at < m.size()) {
                auto& fields = known_[number(m, at, 2)];
                fields.clear();
                const uint64_t count = number(m, at + 2, 2);
                at += 4;
                for (uint64_t i = 0; i < count; i++) {
                    const uint64_t id = number(m, at, 2), size = number(m, at + 2, 2);
                    at += 4;
                    uint64_t enterprise = 0;
                    if (id & 0x8000) enterprise = number(m, std::exchange(at, at + 4), 4);
                    fields.push_back({static_cast<uint32_t>(enterprise), static_cast<uint16_t>(id & 0x7fff), size});
                }
            }
            return;
        }
        ASSERT_TRUE(known_.contains(set)) << "data before its template";
        while (at < m.size()) {
            Record record;
            for (const auto& [enterprise, id, size] : known_[set]) {
                record[{enterprise, id}] = number(m, at + (size > 8 ? size - 8 : 0), std::min<size_t>(size, 8));
                at += size;
            }
            records.push_back(std::move(record));
        }
    }

    struct Known {
        uint32_t enterprise;
        uint16_t id;
        size_t size;
    };
    bool tcp_;
    int fd_ = -1, peer_ = -1;
    uint16_t port_ = 0;
    std::string stream_;
    std::map<uint64_t, std::vector<Known>> known_;
};

class IpfixSink : public ::testing::Test {
 protected:
    std::unique_ptr<RecordSink> make(const std::string& address, const std::function<void(IpfixOptions&)>& change = {}) {
        IpfixOptions options;
        options.address = address;
        options.node = "n1";
        options.first_wait = 20ms;
        options.longest_wait = 100ms;
        options.linger = 0ms;
        options.complain = complaints.take();
        if (change) change(options);
        auto made = make_ipfix_sink(options);
        EXPECT_TRUE(made) << made.error();
        return std::move(*made);
    }
    void send(RecordSink& sink, size_t records) {
        for (size_t i = 0; i < records; i++) {
            begin_flow(record, true, 0, 1, 100);
            sink.write(record, nullptr);
        }
        sink.flush();
    }
    record::Record record;
    Complaints complaints;
};

TEST_F(IpfixSink, sends_both_directions_as_deltas_of_what_came_since_the_record_before) {
    Collector collector(false);
    auto sink = make(collector.address(), [](IpfixOptions& o) { o.domain = 77; });
    begin_flow(record, false, 0, 10, 1000);
    sink->write(record, nullptr);
    begin_flow(record, true, 1, 15, 1500);
    sink->write(record, nullptr);
    sink->finish(10s);
    collector.read(2);
    ASSERT_EQ(collector.records.size(), 2u);
    EXPECT_EQ(collector.domain, 77u);
    constexpr uint32_t reverse = 29305;
    const uint64_t start = test_time / 1'000'000;
    auto& first = collector.records[0];
    EXPECT_EQ((first[{0, 8}]), 0x0a000001u);
    EXPECT_EQ((first[{0, 12}]), 0x0a000002u);
    EXPECT_EQ((first[{0, 7}]), 40000u);
    EXPECT_EQ((first[{0, 11}]), 443u);
    EXPECT_EQ((first[{0, 4}]), 6u);
    EXPECT_EQ((first[{0, 1}]), 1000u);
    EXPECT_EQ((first[{reverse, 1}]), 2000u);
    EXPECT_EQ((first[{0, 6}]), 0x13u);
    EXPECT_EQ((first[{reverse, 6}]), 0x12u);
    EXPECT_EQ((first[{0, 152}]), start);
    EXPECT_EQ((first[{0, 153}]), start + 2000);
    EXPECT_EQ((first[{0, 136}]), 2u);  // active timeout
    EXPECT_EQ((first[{0, 148}]), 0xaau);
    EXPECT_EQ((first[{0, 239}]), 1u);
    auto& second = collector.records[1];
    EXPECT_EQ((second[{0, 1}]), 500u);
    EXPECT_EQ((second[{reverse, 1}]), 1000u);
    EXPECT_EQ((second[{0, 2}]), 5u);
    EXPECT_EQ((second[{reverse, 2}]), 10u);
    EXPECT_EQ((second[{0, 152}]), start + 2000) << "it begins where the one before has ended";
    EXPECT_EQ((second[{0, 153}]), start + 4000);
    EXPECT_EQ((second[{0, 136}]), 3u);
    expect_sums(*sink, 2, 2, 0);
}

TEST_F(IpfixSink, has_a_template_for_ipv6_and_protocols_without_a_name) {
    Collector collector(false);
    auto sink = make(collector.address());
    uint8_t source[16] = {0x20, 0x01}, destination[16] = {0x20, 0x02};
    source[15] = 1, destination[15] = 2;
    record.begin(record::RecordType::flow, test_time);
    record.ip(Field::source_address, source);
    record.ip(Field::destination_address, destination);
    record.text(Field::network_iana_number, "200");
    record.text(Field::network_vlan_id, "42");
    sink->write(record, nullptr);
    sink->finish(10s);
    collector.read(1);
    ASSERT_EQ(collector.records.size(), 1u);
    auto& flow = collector.records[0];
    EXPECT_EQ((flow[{0, 27}]), 1u);
    EXPECT_EQ((flow[{0, 28}]), 2u);
    EXPECT_EQ((flow[{0, 4}]), 200u);
    EXPECT_EQ((flow[{0, 58}]), 42u);
    EXPECT_EQ((flow[{0, 152}]), (flow[{0, 153}]));
}

TEST_F(IpfixSink, counts_records_in_its_sequence_and_keeps_datagrams_small) {
    Collector collector(false);
    auto sink = make(collector.address());
    send(*sink, 100);
    sink->finish(10s);
    collector.read(100);
    ASSERT_EQ(collector.records.size(), 100u);
    EXPECT_EQ(collector.templates, 1u);
    EXPECT_EQ(collector.sequences[0], 0u);
    EXPECT_EQ(collector.sequences[1], 0u) << "templates are no records";
    EXPECT_EQ(collector.sequences[2], (1400u - 20) / 77);
    for (const uint64_t size : collector.sizes) EXPECT_LE(size, 1400u);
}

TEST_F(IpfixSink, sends_its_templates_over_udp_again_and_again) {
    Collector collector(false);
    auto sink = make(collector.address(), [](IpfixOptions& o) { o.template_interval = 30ms; });
    for (size_t i = 1; i <= 3; i++) {
        send(*sink, 1);
        collector.read(i);
        std::this_thread::sleep_for(40ms);
    }
    EXPECT_EQ(collector.templates, 3u);
}

TEST_F(IpfixSink, notices_over_udp_that_nobody_listens_and_greets_who_comes_with_templates) {
    uint16_t port = 0;
    {
        Collector gone(false);
        port = gone.port();
    }
    auto sink = make("127.0.0.1:" + std::to_string(port), [](IpfixOptions& o) { o.first_wait = o.longest_wait = 300ms; });
    // The kernel learns of it after the first datagram, and tells with the next.
    while (sink->stats().connected && sink->stats().given < 200) {
        send(*sink, 1);
        std::this_thread::sleep_for(10ms);
    }
    EXPECT_FALSE(sink->stats().connected);
    Collector collector(false, port);
    const RecordSinkStats before = sink->stats();
    send(*sink, 5);
    collector.read(before.waiting + 5);
    EXPECT_EQ(collector.records.size(), before.waiting + 5);
    EXPECT_GE(collector.templates, 1u);
    sink->finish(10s);
    expect_sums(*sink, before.given + 5, before.given + 5, 0);
    EXPECT_TRUE(sink->stats().connected);
}

TEST_F(IpfixSink, begins_anew_over_tcp_with_a_collector_that_is_back) {
    auto collector = std::make_unique<Collector>(true);
    const uint16_t port = collector->port();
    auto sink = make(collector->address(), [](IpfixOptions& o) { o.transport = IpfixTransport::tcp; });
    send(*sink, 3);
    collector->read(3);
    ASSERT_EQ(collector->records.size(), 3u);
    collector.reset();
    send(*sink, 4);
    ASSERT_TRUE(soon(*sink, [](const RecordSinkStats& s) { return !s.connected; }));
    expect_sums(*sink, 7, 3, 0);
    collector = std::make_unique<Collector>(true, port);
    collector->read(4);
    ASSERT_EQ(collector->records.size(), 4u);
    EXPECT_EQ(collector->templates, 1u);
    EXPECT_EQ(collector->sequences[1], 0u) << "it counts within a connection";
    sink->finish(10s);
    expect_sums(*sink, 7, 7, 0);
}

TEST_F(IpfixSink, does_not_wait_for_a_collector_that_takes_nothing) {
    Collector collector(true);  // never accepts, never reads
    auto sink = make(collector.address(), [](IpfixOptions& o) {
        o.transport = IpfixTransport::tcp;
        o.memory_bytes = 1u << 20;
    });
    for (int i = 0; i < 400; i++) send(*sink, 1000);
    const RecordSinkStats full = sink->stats();
    EXPECT_GT(full.lost, 0u);
    EXPECT_EQ(full.given, full.delivered + full.lost + full.waiting);
    const auto before = std::chrono::steady_clock::now();
    sink->finish(200ms);
    EXPECT_LT(std::chrono::steady_clock::now() - before, 2s);
    const RecordSinkStats stats = sink->stats();
    EXPECT_EQ(stats.given, 400'000u);
    EXPECT_EQ(stats.given, stats.delivered + stats.lost);
    EXPECT_EQ(stats.waiting, 0u);
}

TEST_F(IpfixSink, counts_what_is_no_flow_as_lost) {
    Collector collector(false);
    auto sink = make(collector.address());
    begin_http(record);
    EXPECT_EQ(sink->write(record, nullptr), 0u);
    record.begin(record::RecordType::flow, test_time);  // without addresses
    EXPECT_EQ(sink->write(record, nullptr), 0u);
    sink->finish(1s);
    expect_sums(*sink, 2, 0, 2);
}

TEST_F(IpfixSink, says_what_is_wrong_with_its_options) {
    for (const char* address : {"", "host", "host:0", "host:99999", "::1:4739"}) {
        IpfixOptions options;
        options.address = address;
        EXPECT_FALSE(make_ipfix_sink(options)) << address;
    }
    IpfixOptions options;
    options.address = "127.0.0.1:4739";
    options.message_bytes = 100;
    EXPECT_FALSE(make_ipfix_sink(options));
}

}  // namespace
}  // namespace cvf::sink
