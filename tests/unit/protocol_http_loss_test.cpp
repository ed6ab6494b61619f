// HTTP/1 that does not arrive whole, or is wrong: gaps, captures that begin in the middle, one-sided traffic, ambiguous framing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake_context.h"

namespace {

using namespace cvf;
using namespace cvf::protocol;
using test::FakeContext;
using test::Player;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr int client = 0, server = 1;
constexpr std::string_view ok = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

struct HttpLoss : testing::Test {
    FakeContext ctx;
    std::unique_ptr<Dissector> dissector = http.make();
    Player play{*dissector, ctx};

    void SetUp() override { ctx.now = 1'000'000'000; }
    std::string value(std::string_view key, size_t i = 0) {
        EXPECT_LT(i, ctx.records.size());
        return i < ctx.records.size() ? test::json_value(ctx.records[i], key) : "";
    }
};

TEST_F(HttpLoss, a_gap_inside_a_body_counts_as_body) {
    play.send(client, "POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\n0123456789");
    play.gap(client, 80);
    play.send(client, "9876543210GET /next HTTP/1.1\r\n\r\n");
    play.send(server, ok);
    play.send(server, ok);
    ASSERT_EQ(ctx.records.size(), 2u);
    EXPECT_EQ(value("http.request.body.size"), "100");
    EXPECT_EQ(value("cvf.truncated"), "");
    EXPECT_EQ(value("url.path", 1), "\"/next\"");
}

TEST_F(HttpLoss, a_gap_inside_a_chunk_counts_as_body) {
    play.send(client, "GET / HTTP/1.1\r\n\r\n");
    play.send(server, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nabc");
    play.gap(server, 97);
    play.send(server, "\r\n0\r\n\r\n");
    ASSERT_EQ(ctx.records.size(), 1u);
    EXPECT_EQ(value("http.response.body.size"), "100");
    EXPECT_EQ(value("cvf.truncated"), "");
}

TEST_F(HttpLoss, a_gap_over_the_end_of_a_chunk_truncates_and_the_next_response_is_found) {
    play.send(client, "GET /1 HTTP/1.1\r\n\r\n");
    play.send(server, "HTTP/1.1 200 OK\r\nServer: s\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nabc");
    play.gap(server, 500);
    ASSERT_EQ(ctx.records.size(), 1u);
    EXPECT_EQ(value("cvf.truncated"), "true");
    EXPECT_EQ(value("http.response.status_code"), "200");
    play.send(server, "rest of some chunk\r\n0\r\n\r\n");
    play.send(client, "GET /2 HTTP/1.1\r\n\r\n");
    play.send(server, "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n");
    ASSERT_EQ(ctx.records.size(), 2u);
    EXPECT_EQ(value("url.path", 1), "\"/2\"");
    EXPECT_EQ(value("http.response.status_code", 1), "404");
    EXPECT_EQ(value("cvf.truncated", 1), "");
}

TEST_F(HttpLoss, a_gap_inside_a_head_leaves_what_was_seen_of_it) {
    play.send(client, "GET /long?q=1 HTTP/1.1\r\nHost: h\r\nUser-Agent: u\r\nCook", 10);
    play.gap(client, 400);
    play.send(server, "HTTP/1.1 500 Oops\r\nServer: s\r\nX-", 9);
    play.gap(server, 400);
    ASSERT_EQ(ctx.records.size(), 1u);
    EXPECT_EQ(value("url.path"), "\"/long\"");
    EXPECT_EQ(value("server.address"), "\"h\"");
    EXPECT_EQ(value("http.response.status_code"), "500");
    EXPECT_EQ(value("http.response.header.server"), R"(["s"])");
    EXPECT_EQ(value("cvf.truncated"), "true");
    EXPECT_EQ(value("http.response.body.size"), "");
    play.send(client, "GET /again HTTP/1.1\r\n\r\n");
    play.send(server, ok);
    ASSERT_EQ(ctx.records.size(), 2u);
    EXPECT_EQ(value("url.path", 1), "\"/again\"");
}

TEST_F(HttpLoss, a_request_cut_by_the_snap_length_still_pairs_with_its_response) {
    play.send(client, "POST /cut HTTP/1.1\r\nHost: h\r\nContent-Type: text/plain\r\nX-Long: aaa");
    play.send(server, ok);
    ASSERT_EQ(ctx.records.size(), 1u);
    EXPECT_EQ(value("url.path"), "\"/cut\"");
    EXPECT_EQ(value("http.response.status_code"), "200");
    EXPECT_EQ(value("cvf.truncated"), "true");
    // And when the rest comes after all, it is not a second request.
    play.send(client, "bbb\r\n\r\n");
    play.send(client, "GET /next HTTP/1.1\r\n\r\n");
    play.send(server, ok);
    ASSERT_EQ(ctx.records.size(), 2u);
    EXPECT_EQ(value("url.path", 1), "\"/next\"");
    EXPECT_EQ(value("cvf.http.sequence", 1), "2");
}

TEST_F(HttpLoss, lost_responses_do_not_shift_the_pairs) {
    play.send(client, "GET /1 HTTP/1.1\r\n\r\n");
    play.gap(server, 300);
    play.send(client, "GET /2 HTTP/1.1\r\n\r\n");
    play.send(server, "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n");
    ASSERT_EQ(ctx.records.size(), 2u);
    EXPECT_EQ(value("url.path", 0), "\"/1\"");
    EXPECT_EQ(value("http.response.status_code", 0), "");
    EXPECT_EQ(value("cvf.truncated", 0), "true");
    EXPECT_EQ(value("url.path", 1), "\"/2\"");
    EXPECT_EQ(value("http.response.status_code", 1), "404");
}

TEST_F(HttpLoss, a_capture_that_begins_with_the_response_learns_who_the_client_is) {
    play.send(0, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
    EXPECT_TRUE(ctx.swapped);
    ASSERT_EQ(ctx.records.size(), 1u);
    EXPECT_EQ(value("http.request.method"), "");
    EXPECT_EQ(value("http.response.body.size"), "2");
    play.send(1, "GET /2 HTTP/1.1\r\n\r\n");
    play.send(0, ok);
    ASSERT_EQ(ctx.records.size(), 2u);
    EXPECT_EQ(value("url.path", 1), "\"/2\"");
}

TEST_F(HttpLoss, a_request_from_the_responder_is_paired_even_when_the_ends_may_not_change_places) {
    for (bool allowed : {true, false}) {
        FakeContext context;
        context.swap_allowed = allowed;
        const auto d = http.make();
        Player p(*d, context);
        p.send(1, "GET /r HTTP/1.1\r\nContent-Length: 300\r\n\r\n" + std::string(300, 'x'), 50);
        p.send(0, "HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n" + std::string(200, 'x'), 60);
        EXPECT_EQ(context.swapped, allowed);
        ASSERT_EQ(context.records.size(), 1u);
        EXPECT_THAT(context.records[0], HasSubstr(R"("http.request.body.size":300)"));
        EXPECT_THAT(context.records[0], HasSubstr(R"("http.response.body.size":200)"));
        EXPECT_THAT(context.violations, IsEmpty());
    }
}

TEST_F(HttpLoss, requests_without_responses_are_recorded_at_the_end) {
    play.send(client, "GET /1 HTTP/1.1\r\n\r\nPOST /2 HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc");
    EXPECT_THAT(ctx.records, IsEmpty());
    play.finish();
    ASSERT_EQ(ctx.records.size(), 2u);
    EXPECT_EQ(value("error.type", 0), "");
    EXPECT_EQ(value("url.path", 1), "\"/2\"");
    EXPECT_EQ(value("http.request.body.size", 1), "3");
    EXPECT_EQ(value("cvf.truncated", 1), "true");
}

TEST_F(HttpLoss, a_request_answered_by_something_else_says_so) {
    play.send(client, "GET /1 HTTP/1.1\r\nHost: h\r\n\r\n");
    play.send(server, "SSH-2.0-OpenSSH_9.2\r\n");
    play.close(server);
    play.finish();
    ASSERT_EQ(ctx.records.size(), 1u);
    EXPECT_EQ(value("url.path"), "\"/1\"");
    EXPECT_EQ(value("cvf.violation"), "\"no HTTP/1 status line\"");
}

TEST_F(HttpLoss, a_response_head_that_is_not_whole_at_the_end_is_recorded) {
    play.send(client, "GET /1 HTTP/1.1\r\nHost: h\r\n\r\n");
    play.send(server, "HTTP/1.1 503 Busy\r\nServer: nginx\r\nX-Half");
    play.finish();
    ASSERT_EQ(ctx.records.size(), 1u);
    EXPECT_EQ(value("url.path"), "\"/1\"");
    EXPECT_EQ(value("http.response.status_code"), "503");
    EXPECT_EQ(value("cvf.truncated"), "true");
}

TEST_F(HttpLoss, a_server_that_closes_without_an_answer_is_an_error) {
    play.send(client, "GET /1 HTTP/1.1\r\n\r\n");
    play.close(server);
    EXPECT_EQ(value("error.type"), "\"no_response\"");
}

TEST_F(HttpLoss, a_server_that_closes_inside_a_body_is_an_error) {
    play.send(client, "GET /1 HTTP/1.1\r\n\r\n");
    play.send(server, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc");
    play.send(server, "defg");
    play.close(server);
    ASSERT_EQ(ctx.records.size(), 1u);
    EXPECT_EQ(value("error.type"), "\"incomplete_response\"");
    EXPECT_EQ(value("http.response.body.size"), "7");
}

TEST_F(HttpLoss, one_sided_requests_do_not_pile_up) {
    for (int i = 0; i < 100; ++i) play.send(client, "GET /" + std::to_string(i) + " HTTP/1.1\r\n\r\n");
    EXPECT_EQ(ctx.records.size(), 36u);
    play.finish();
    ASSERT_EQ(ctx.records.size(), 100u);
    EXPECT_EQ(value("url.path", 99), "\"/99\"");
}

TEST_F(HttpLoss, ambiguous_framing_is_named_and_parsed_as_the_rfc_orders) {
    const auto violation = [](std::string_view request, std::string_view then = {}) {
        FakeContext context;
        const auto d = http.make();
        Player p(*d, context);
        p.send(client, request);
        p.send(server, ok);
        p.send(client, then);
        p.finish();
        EXPECT_EQ(context.records.size(), then.empty() ? 1u : 2u) << request;
        const std::string named = context.records.empty() ? "" : test::json_value(context.records[0], "cvf.violation");
        EXPECT_EQ(context.violations.empty(), named.empty()) << request;
        return named.empty() ? named : named.substr(1, named.size() - 2);
    };
    const std::string_view next = "GET /n HTTP/1.1\r\n\r\n";
    EXPECT_EQ(violation("POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", next),
              "Content-Length beside Transfer-Encoding");
    EXPECT_EQ(violation("POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc", next),
              "Content-Lengths that differ");
    EXPECT_EQ(violation("POST / HTTP/1.1\r\nContent-Length: 3, 3\r\n\r\nabc", next), "");
    EXPECT_EQ(violation("POST / HTTP/1.1\r\nContent-Length: +3\r\n\r\n", next), "Content-Length that is no number");
    EXPECT_EQ(violation("POST / HTTP/1.1\r\nContent-Length : 3\r\n\r\nabc", next), "blank between a header's name and its colon");
    EXPECT_EQ(violation("POST / HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n\r\n1\r\na\r\n0\r\n\r\n"),
              "request with a Transfer-Encoding that does not end in chunked");
    EXPECT_EQ(violation("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", next),
              "Transfer-Encoding in HTTP/1.0");
    EXPECT_EQ(violation("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", next), "more than one Host");
    EXPECT_EQ(violation("GET / HTTP/1.1\r\nVia: a,\r\n  b\r\n\r\n", next), "folded header line");
    EXPECT_EQ(violation("GET /a b HTTP/1.1\r\n\r\n", next), "space in the request target");
    EXPECT_EQ(violation("GET / HTTP/1.1\r\n\x01\x02\r\n\r\n", next), "header line without a name");
    EXPECT_EQ(violation("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", next), "chunk size that is no number");
    EXPECT_EQ(violation("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n", next), "chunk longer than its size");
    EXPECT_EQ(violation("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", next),
              "chunk size that is no number");
}

TEST_F(HttpLoss, a_folded_value_is_joined_by_one_space) {
    play.send(client, "GET / HTTP/1.1\r\nVia: a,\r\n \t b\r\nHost: h\r\n\r\n");
    play.send(server, ok);
    EXPECT_EQ(value("http.request.header.via"), R"(["a, b"])");
    EXPECT_EQ(value("server.address"), "\"h\"");
}

TEST_F(HttpLoss, bytes_behind_a_response_that_are_none_are_a_violation_and_passed_over) {
    play.send(client, "GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n");
    play.send(server, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nmore than two\r\n");
    EXPECT_THAT(ctx.violations, ElementsAre("no HTTP/1 status line"));
    play.send(server, "HTTP/1.1 201 Made\r\nContent-Length: 0\r\n\r\n");
    ASSERT_EQ(ctx.records.size(), 2u);
    EXPECT_EQ(value("http.response.status_code", 1), "201");
}

TEST_F(HttpLoss, a_first_line_that_is_wrong_drops_the_protocol_without_a_record) {
    play.send(client, "GET / RTSP/1.0\r\n\r\n");
    EXPECT_THAT(ctx.versions, IsEmpty());
    EXPECT_THAT(ctx.violations, ElementsAre("no HTTP/1 request line"));
}

TEST_F(HttpLoss, a_head_over_the_limit_is_recorded_as_far_as_it_was_kept) {
    play.send(client, "GET /huge HTTP/1.1\r\nHost: h\r\n");
    for (int i = 0; i < 80; ++i) play.send(client, "X-Filler: " + std::string(1000, 'f') + "\r\n");
    play.finish();
    ASSERT_EQ(ctx.records.size(), 1u);
    EXPECT_EQ(value("url.path"), "\"/huge\"");
    EXPECT_EQ(value("cvf.truncated"), "true");
}

TEST_F(HttpLoss, long_urls_and_values_are_shortened_and_marked) {
    play.send(client, "GET /" + std::string(20'000, 'u') + " HTTP/1.1\r\nUser-Agent: " + std::string(3000, 'a') + "\r\n\r\n");
    play.send(server, ok);
    ASSERT_EQ(ctx.records.size(), 1u);
    EXPECT_EQ(value("url.path").size(), 8192u + 2);
    EXPECT_EQ(value("user_agent.original").size(), 1024u + 2);
    EXPECT_EQ(value("cvf.http.shortened"), "true");
}

TEST_F(HttpLoss, a_head_sent_byte_by_byte_is_searched_once) {
    // 60,000 deliveries of one byte: quadratic work would take minutes.
    std::string head = "GET / HTTP/1.1\r\n";
    while (head.size() < 60'000) head += "X-A: b\r\n";
    const auto d = http.make();
    FakeContext context;
    for (size_t n = 1; n <= head.size(); ++n)
        ASSERT_EQ(d->data(Direction::from_initiator, test::as_bytes(std::string_view(head).substr(0, n)), context), 0u);
    head += "\r\n";
    EXPECT_EQ(d->data(Direction::from_initiator, test::as_bytes(head), context), head.size());
}

}  // namespace
