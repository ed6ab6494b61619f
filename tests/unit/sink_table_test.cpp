#include "sink/table.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "sink/progress.h"
#include "sink/summary.h"
#include "sink/terminal_text.h"
#include "sink/units.h"

namespace cvf::sink {
namespace {

using record::Field;
using record::Record;
using record::RecordType;

std::string safe(std::string_view text, size_t max = 1000) {
    std::string out;
    EXPECT_LE(append_safe(out, text, max), max);
    return out;
}

TEST(TerminalText, shows_controls_instead_of_obeying_them) {
    EXPECT_EQ(safe("a\x1b[31mb\r\n\x07\x7f"), "a\\x1b[31mb\\x0d\\x0a\\x07\\x7f");
    EXPECT_EQ(safe("\xc2\x9b"
                   "31m"),
              "\\x9b31m")
        << "C1: a CSI of one character";
    EXPECT_EQ(safe("\xe2\x80\xae"
                   "exe"),
              "\\u202eexe")
        << "right-to-left override";
    EXPECT_EQ(safe("a\xe2\x80\x8b"
                   "b"),
              "a\\u200bb")
        << "zero width space";
    EXPECT_EQ(safe(std::string_view("\0", 1)), "\\x00");
}

TEST(TerminalText, shows_bytes_that_are_not_utf8) {
    EXPECT_EQ(safe("\xff\xfe"), "\\xff\\xfe");
    EXPECT_EQ(safe("\xc0\xaf"), "\\xc0\\xaf") << "too long a form of '/'";
    EXPECT_EQ(safe("\xed\xa0\x80"), "\\xed\\xa0\\x80") << "a surrogate";
    EXPECT_EQ(safe("\xe4\xb8"), "\\xe4\\xb8") << "cut short";
}

TEST(TerminalText, is_cut_by_columns_never_inside_a_character) {
    EXPECT_EQ(safe("abcdef", 6), "abcdef");
    EXPECT_EQ(safe("abcdefg", 6), "abcde…");
    EXPECT_EQ(safe("müller", 6), "müller");
    EXPECT_EQ(safe("日本語", 6), "日本語");
    EXPECT_EQ(safe("日本語", 5), "日本…");
    EXPECT_EQ(safe("日本語", 4), "日…");
    EXPECT_EQ(safe("abc\x1b", 4), "abc…") << "no half escape";
    EXPECT_EQ(safe("abc", 1), "…");
    EXPECT_EQ(safe("abc", 0), "");
    EXPECT_EQ(safe_width("日本x"), 5u);
}

TEST(TerminalText, keeps_few_marks_on_a_character) {
    std::string zalgo = "a";
    for (int i = 0; i < 100; ++i) zalgo += "\xcc\x81";
    EXPECT_EQ(safe(zalgo + "b"),
              "a\xcc\x81\xcc\x81"
              "b");
    EXPECT_EQ(safe("\xcc\x81"
                   "b"),
              "b")
        << "a mark with nothing to stand on";
}

TEST(Units, have_at_most_four_digits) {
    EXPECT_EQ(show_duration(0), "0 ns");
    EXPECT_EQ(show_duration(999), "999 ns");
    EXPECT_EQ(show_duration(1234), "1.23 µs");
    EXPECT_EQ(show_duration(999'499), "999 µs");
    EXPECT_EQ(show_duration(999'500), "1.00 ms");
    EXPECT_EQ(show_duration(12'345'678), "12.3 ms");
    EXPECT_EQ(show_duration(1'500'000'000), "1.50 s");
    EXPECT_EQ(show_duration(59'999'000'000), "1m00s");
    EXPECT_EQ(show_duration(3'723'000'000'000), "1h02m");
    EXPECT_EQ(show_duration(UINT64_MAX), "213503d23h");
    EXPECT_EQ(show_bytes(999), "999 B");
    EXPECT_EQ(show_bytes(1234), "1.2 kB");
    EXPECT_EQ(show_bytes(999'950), "1.0 MB");
    EXPECT_EQ(show_bytes(UINT64_MAX), "18 EB");
    EXPECT_EQ(show_count(0), "0");
    EXPECT_EQ(show_count(1234567), "1,234,567");
}

TEST(Summary, reads_only_keys_that_the_field_table_has) {
    for (const auto key : summary_keys()) EXPECT_TRUE(record::field_by_key(key)) << key;
}

struct TableTest : testing::Test {
    Record record;

    void begin(RecordType type) { record.begin(type, 1'700'000'000'123'456'789); }
    void ends() {
        const uint8_t a[] = {10, 0, 0, 7}, b[16] = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
        record.ip(Field::source_address, a);
        record.uint(Field::source_port, 50000);
        record.ip(Field::destination_address, b);
        record.uint(Field::destination_port, 53);
    }
    std::string row(size_t width, bool colour = false) {
        TableOptions options;
        options.width = width;
        options.colour = colour;
        options.local_time = false;
        Table table(options);
        std::string out;
        table.row(record, out);
        return out;
    }
    void put(std::string_view key, std::string_view value) {
        if (const auto field = record::field_by_key(key)) record.copy(*field, value);
    }
    void put(std::string_view key, uint64_t value) {
        if (const auto field = record::field_by_key(key)) record.uint(*field, value);
    }
};

TEST_F(TableTest, shows_a_dns_record_in_one_calm_line) {
    begin(RecordType::dns);
    ends();
    record.copy(Field::source_process_name, "dig");
    put("dns.question.name", "example.com");
    put("dns.question.type", "A");
    put("dns.response_code", "NXDOMAIN");
    record.uint(Field::event_duration, 12'345'678);
    EXPECT_EQ(row(110),
              "22:13:20.123  dig                 → [2001:db8::1]:53     dns      A example.com NXDOMAIN               12.3 ms\n");
}

TEST_F(TableTest, shows_what_a_sum_is_of_and_what_it_sums) {
    begin(RecordType::metric);
    record.text(Field::record_id, "m");
    record.text(Field::metric_directive, "Flow/edges");
    record.uint(Field::destination_port, 443);
    record.text(Field::network_transport, "tcp");
    record.text(Field::metric_type, "flow");
    record.uint(Field::metric_count, 1204);
    record.uint(Field::metric_errors, 1);
    record.uint(Field::network_bytes, 8'123'456);
    record.uint(Field::metric_latency_count, 1204);
    record.uint(Field::metric_latency_p50, 1'200'000);
    record.uint(Field::metric_latency_p99, 40'000'000);
    EXPECT_EQ(summarize(record).text,
              "destination.port=443 network.transport=tcp · 1,204 flow, 1 error · 8.1 MB · p50 1.20 ms p99 40.0 ms");
    EXPECT_EQ(summarize(record).tone, Tone::warning);
    begin(RecordType::metric);
    record.flag(Field::metric_other, true);
    record.uint(Field::metric_count, 3);
    EXPECT_EQ(summarize(record).text, "other groups · 3 records");
}

TEST_F(TableTest, names_container_and_process_of_an_end) {
    begin(RecordType::http);
    ends();
    record.copy(Field::source_container_name, "web");
    record.copy(Field::source_process_name, "curl");
    record.copy(Field::destination_process_name, "nginx");
    EXPECT_EQ(source_label(record), "web/curl");
    EXPECT_EQ(destination_label(record), "nginx:53");
    begin(RecordType::http);
    EXPECT_EQ(source_label(record), "");
}

TEST_F(TableTest, summarizes_http) {
    begin(RecordType::http);
    put("http.request.method", "GET");
    put("server.address", "shop.example");
    put("url.path", "/cart");
    put("url.query", "a=1");
    put("http.response.status_code", 503);
    put("http.response.body.size", 1234);
    put("error.type", "503");
    const auto summary = summarize(record);
    EXPECT_EQ(summary.text, "GET shop.example/cart?a=1 503 1.2 kB");
    EXPECT_EQ(summary.tone, Tone::error);
}

TEST_F(TableTest, summarizes_tls) {
    begin(RecordType::tls);
    put("tls.protocol.name", "tls");
    put("tls.protocol.version", "1.3");
    put("tls.client.server_name", "shop.example");
    put("tls.next_protocol", "h2");
    put("tls.cipher", "TLS_AES_128_GCM_SHA256");
    EXPECT_EQ(summarize(record).text, "TLS 1.3 shop.example h2 TLS_AES_128_GCM_SHA256");
}

TEST_F(TableTest, summarizes_a_flow_both_ways) {
    begin(RecordType::flow);
    put("network.transport", "tcp");
    put("network.protocol.name", "tls");
    put("source.packets", 1);
    put("source.bytes", 60);
    put("destination.packets", 1200);
    put("destination.bytes", 1'500'000);
    EXPECT_EQ(summarize(record).text, "tls ↑ 1 pkt 60 B ↓ 1,200 pkts 1.5 MB");
    EXPECT_NE(row(120).find("tcp"), std::string::npos);
}

TEST_F(TableTest, says_nothing_of_packets_nobody_counted) {
    begin(RecordType::flow);
    for (const char* key : {"source.packets", "source.bytes", "destination.packets", "destination.bytes"}) put(key, 0);
    put("cvf.flow.reason", "closed");
    record.uint(Field::event_duration, 0);
    EXPECT_EQ(summarize(record).text, "closed");
    EXPECT_TRUE(row(120).ends_with(" closed\n")) << "nor of a time that has not passed: " << row(120);
    begin(RecordType::flow);
    put("source.packets", 1);
    put("source.bytes", 60);
    put("destination.packets", 0);
    put("destination.bytes", 0);
    EXPECT_EQ(summarize(record).text, "↑ 1 pkt 60 B ↓ 0 pkts 0 B") << "silence of one side is news";
}

TEST_F(TableTest, has_room_for_the_name_of_every_common_type) {
    begin(RecordType::process);
    put("process.executable.path", "/usr/bin/curl");
    EXPECT_NE(row(110).find(" process  /usr/bin/curl"), std::string::npos) << row(110);
}

TEST_F(TableTest, says_that_nobody_answered) {
    begin(RecordType::dns);
    put("dns.question.name", "example.com");
    put("cvf.dns.unanswered", "timeout");
    EXPECT_EQ(summarize(record).text, "example.com no answer (timeout)");
    EXPECT_EQ(summarize(record).tone, Tone::warning);
    begin(RecordType::icmp);
    put("cvf.icmp.message", "echo request");
    put("cvf.icmp.unanswered", "timeout");
    EXPECT_EQ(summarize(record).text, "echo request no answer (timeout)");
}

TEST_F(TableTest, puts_an_ipv6_host_in_brackets_as_in_a_url) {
    begin(RecordType::http);
    put("http.request.method", "GET");
    put("server.address", "fd77::2");
    put("url.path", "/");
    EXPECT_EQ(summarize(record).text, "GET [fd77::2]/");
}

TEST_F(TableTest, never_is_wider_than_the_terminal_nor_lets_bytes_of_the_network_act) {
    begin(RecordType::dns);
    ends();
    put("dns.question.name", std::string(300, 'x') + "\x1b]0;owned\x07");
    record.copy(Field::source_process_name, "\x1b[2Jevil\r\n");
    record.uint(Field::event_duration, 5);
    for (size_t width = 1; width < 200; ++width) {
        const std::string line = row(width);
        EXPECT_EQ(line.find_first_of("\x1b\r\x07"), std::string::npos);
        EXPECT_EQ(line.find('\n'), line.size() - 1);
        EXPECT_LE(safe_width(line.substr(0, line.size() - 1)), std::max<size_t>(40, width)) << line;
    }
    EXPECT_NE(row(100, true).find("\x1b[36mdns"), std::string::npos) << "colour is ours alone";
}

TEST_F(TableTest, follows_the_width_of_a_real_terminal) {
    int master, slave;
    winsize size{24, 90, 0, 0};
    ASSERT_EQ(::openpty(&master, &slave, nullptr, nullptr, &size), 0);
    ::setenv("NO_COLOR", "", 1);
    ::setenv("TERM", "xterm", 1);
    EXPECT_TRUE(colour_wanted(slave));
    ::setenv("NO_COLOR", "1", 1);
    EXPECT_FALSE(colour_wanted(slave));
    Table table = Table::on(slave);
    begin(RecordType::dns);
    ends();
    put("dns.question.name", std::string(300, 'x'));
    record.uint(Field::event_duration, 5);
    std::string out;
    table.row(record, out);
    EXPECT_EQ(safe_width(out.substr(0, out.size() - 1)), 90u);
    size.ws_col = 70;
    ASSERT_EQ(::ioctl(master, TIOCSWINSZ, &size), 0);
    ::usleep(300'000);
    out.clear();
    table.row(record, out);
    EXPECT_LE(safe_width(out.substr(0, out.size() - 1)), 70u);
    ::close(master);
    ::close(slave);
    int pipe[2];
    ASSERT_EQ(::pipe(pipe), 0);
    ::unsetenv("NO_COLOR");
    EXPECT_FALSE(colour_wanted(pipe[1]));
    ::close(pipe[0]);
    ::close(pipe[1]);
}

TEST_F(TableTest, counts_rows_over_its_limit) {
    RowLimit limit(3);
    const auto start = std::chrono::steady_clock::now();
    int shown = 0;
    for (int i = 0; i < 10; ++i) shown += limit.allow(start);
    EXPECT_EQ(shown, 3);
    EXPECT_EQ(limit.take_skipped(), 7u);
    EXPECT_EQ(limit.take_skipped(), 0u);
    EXPECT_TRUE(limit.allow(start + std::chrono::seconds(1)));
}

TEST(Progress, tells_share_rate_records_and_time_left) {
    using namespace std::chrono_literals;
    const std::string line = Progress::line(1'000'000'000, 250'000'000, 1234, 1s, 100);
    EXPECT_EQ(line, " 25 %  ███████▌                        250 MB/s  1,234 records  3 s left");
    EXPECT_EQ(Progress::line(0, 1'000'000, 5, 1s, 100), "1.0 MB/s  5 records");
    EXPECT_EQ(safe_width(Progress::line(10, 5, 5, 1s, 20)), 20u);
    EXPECT_EQ(Progress::line(10, 20, 5, 1s, 100).substr(0, 5), "100 %");
}

TEST(Progress, shows_on_a_terminal_only_and_cleans_up) {
    using namespace std::chrono_literals;
    int master, slave;
    ASSERT_EQ(::openpty(&master, &slave, nullptr, nullptr, nullptr), 0);
    {
        Progress progress(100, slave);
        const auto start = std::chrono::steady_clock::now();
        progress.update(10, 1, start);
        progress.update(20, 2, start + 120ms);
        progress.update(30, 3, start + 130ms);
    }
    // A terminal hands over what was written in its own time and in as many pieces as it likes.
    std::string got;
    const std::string_view cleared = "\r\x1b[K";
    pollfd ready{.fd = master, .events = POLLIN, .revents = 0};
    while (!(got.ends_with(cleared) && got.size() > cleared.size()) && ::poll(&ready, 1, 5000) == 1) {
        char text[4096];
        const ssize_t n = ::read(master, text, sizeof text);
        if (n <= 0) break;
        got.append(text, static_cast<size_t>(n));
    }
    EXPECT_EQ(got.find(" 10 %"), std::string::npos);
    EXPECT_NE(got.find(" 20 %"), std::string::npos);
    EXPECT_EQ(got.find(" 30 %"), std::string::npos) << "ten updates a second at most";
    EXPECT_TRUE(got.ends_with(cleared));
    ::close(master);
    ::close(slave);
}

}  // namespace
}  // namespace cvf::sink
