// HTTP/1 exchanges that arrive whole: what stands on their records.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake_context.h"

namespace {

using namespace cvf;
using namespace cvf::protocol;
using test::FakeContext;
using test::Player;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr int client = 0, server = 1;

struct Http : testing::Test {
    FakeContext ctx;
    std::unique_ptr<Dissector> dissector = http.make();
    Player play{*dissector, ctx};

    void SetUp() override { ctx.now = 1'000'000'000; }

    std::string value(std::string_view key, size_t i = 0) {
        EXPECT_LT(i, ctx.records.size());
        return i < ctx.records.size() ? test::json_value(ctx.records[i], key) : "";
    }
    void exchange(std::string_view request, std::string_view response) {
        play.send(client, request);
        play.send(server, response);
    }
};

TEST_F(Http, a_request_and_its_response_are_one_record) {
    play.send(client,
              "GET /a/b?x=1&y=2 HTTP/1.1\r\nHost: shop.example:8080\r\nUser-Agent: curl/8.5\r\nAccept: */*\r\n"
              "Referer: http://other.example/\r\nX-Request-ID: r-17\r\n\r\n");
    EXPECT_TRUE(ctx.records.empty());
    ctx.now += 5'000'000;
    play.send(server,
              "HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: 5\r\n\r\nhello");
    ASSERT_EQ(ctx.records.size(), 1u);
    EXPECT_EQ(
        ctx.records[0],
        R"({"@timestamp":"1970-01-01T00:00:01.000000000Z","record.type":"http","http.request.method":"GET","url.scheme":"http",)"
        R"("url.path":"/a/b","url.query":"x=1&y=2","server.address":"shop.example","user_agent.original":"curl/8.5",)"
        R"("http.request.header.referer":["http://other.example/"],"http.request.header.x-request-id":["r-17"],"server.port":8080,)"
        R"("http.request.size":141,"http.request.body.size":0,"http.response.status_code":200,)"
        R"("http.response.header.server":["nginx"],"http.response.header.content-type":["text/html; charset=utf-8"],)"
        R"("http.response.size":98,"http.response.body.size":5,"event.duration":5000000,"cvf.http.time_to_first_byte":5000000,)"
        R"("cvf.http.response.duration":0,"cvf.http.sequence":1})");
    EXPECT_THAT(ctx.versions, ElementsAre("1.1"));
    EXPECT_THAT(ctx.hosts, ElementsAre("shop.example"));
    EXPECT_THAT(ctx.violations, IsEmpty());
}

TEST_F(Http, pipelined_requests_get_the_responses_in_their_order) {
    play.send(client,
              "GET /1 HTTP/1.1\r\nHost: h\r\n\r\nPOST /2 HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET /3 HTTP/1.0\r\n\r\n");
    play.send(server,
              "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
              "HTTP/1.0 503 Busy\r\nContent-Length: 1\r\n\r\n!");
    ASSERT_EQ(ctx.records.size(), 3u);
    EXPECT_EQ(value("url.path", 0), "\"/1\"");
    EXPECT_EQ(value("http.response.status_code", 0), "200");
    EXPECT_EQ(value("url.path", 1), "\"/2\"");
    EXPECT_EQ(value("http.request.body.size", 1), "3");
    EXPECT_EQ(value("http.response.status_code", 1), "404");
    EXPECT_EQ(value("error.type", 1), "");
    EXPECT_EQ(value("url.path", 2), "\"/3\"");
    EXPECT_EQ(value("error.type", 2), "\"503\"");
    EXPECT_EQ(value("cvf.http.sequence", 2), "3");
    EXPECT_THAT(ctx.versions, ElementsAre("1.1", "1.0"));
}

TEST_F(Http, any_segmentation_gives_the_same_records) {
    const std::string_view requests =
        "\r\nPOST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5;x=\"y\"\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n"
        "HEAD /b HTTP/1.1\r\nHost: h\r\n\r\nGET /c HTTP/1.1\nHost: h\n\n";
    const std::string_view responses =
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: "
        "chunked\r\n\r\n3\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n"
        "HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\nHTTP/1.1 200 OK\r\nServer: s\r\n\r\nuntil the end";
    std::vector<std::string> expected;
    for (size_t segment : {size_t{0}, size_t{1}, size_t{2}, size_t{3}, size_t{7}, size_t{40}, size_t{100}}) {
        FakeContext context;
        context.now = 1;
        const auto d = http.make();
        Player p(*d, context);
        p.send(client, requests, segment);
        p.send(server, responses, segment);
        p.close(server);
        ASSERT_EQ(context.records.size(), 3u) << segment;
        EXPECT_THAT(context.violations, IsEmpty()) << segment;
        if (expected.empty()) expected = context.records;
        EXPECT_EQ(context.records, expected) << segment;
    }
    EXPECT_THAT(expected[0], HasSubstr(R"("http.request.body.size":5)"));
    EXPECT_THAT(expected[0], HasSubstr(R"("http.response.body.size":19)"));
    EXPECT_THAT(expected[0], HasSubstr(R"("cvf.http.response.interim":[100])"));
    EXPECT_THAT(expected[1], HasSubstr(R"("http.response.body.size":0)"));
    EXPECT_THAT(expected[2], HasSubstr(R"("http.response.body.size":13)"));
}

// A request with a number, and the response to it.
std::string numbered_request(size_t i) {
    return "GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: h\r\n\r\n";
}
std::string numbered_response(size_t i) {
    return "HTTP/1.1 200 OK\r\nETag: x\r\nContent-Length: " + std::to_string(i) + "\r\n\r\n" + std::string(i, 'b');
}

TEST_F(Http, beyond_64_pipelined_requests_the_pairs_stay_right) {
    std::string all;
    for (size_t i = 1; i <= 66; ++i) all += numbered_request(i);
    play.send(client, all);
    ASSERT_EQ(ctx.records.size(), 2u);
    for (size_t i = 0; i < 2; ++i) {
        EXPECT_EQ(value("url.path", i), "\"/" + std::to_string(i + 1) + "\"");
        EXPECT_EQ(value("http.response.status_code", i), "");
    }
    play.send(server, "HTTP/1.1 103 Early Hints\r\n\r\n");
    for (size_t i = 1; i <= 66; ++i) play.send(server, numbered_response(i), 30);
    ASSERT_EQ(ctx.records.size(), 68u);
    for (size_t i = 2; i < 68; ++i) {
        EXPECT_EQ(value("http.response.body.size", i), std::to_string(i - 1));
        EXPECT_EQ(value("url.path", i), i < 4 ? "" : "\"/" + std::to_string(i - 1) + "\"");
        EXPECT_EQ(value("cvf.http.sequence", i), std::to_string(i - 1));
    }
    EXPECT_EQ(value("cvf.http.response.interim", 2), "[103]");
    exchange(numbered_request(67), numbered_response(67));
    EXPECT_EQ(value("url.path", 68), "\"/67\"");
    EXPECT_EQ(value("cvf.http.sequence", 68), "67");
}

TEST_F(Http, the_65th_request_leaves_a_response_that_is_running_to_its_request) {
    for (size_t i = 1; i <= 64; ++i) play.send(client, numbered_request(i));
    play.send(server, numbered_response(500).substr(0, 200));
    play.send(client, numbered_request(65));
    ASSERT_EQ(ctx.records.size(), 1u);
    EXPECT_EQ(value("url.path", 0), "\"/2\"");
    play.send(server, numbered_response(500).substr(200));
    for (size_t i = 2; i <= 65; ++i) play.send(server, numbered_response(i));
    ASSERT_EQ(ctx.records.size(), 66u);
    EXPECT_EQ(value("url.path", 1), "\"/1\"");
    EXPECT_EQ(value("http.response.body.size", 1), "500");
    EXPECT_EQ(value("url.path", 2), "");
    EXPECT_EQ(value("cvf.http.sequence", 2), "2");
    for (size_t i = 3; i < 66; ++i) {
        EXPECT_EQ(value("url.path", i), "\"/" + std::to_string(i) + "\"");
        EXPECT_EQ(value("http.response.body.size", i), std::to_string(i));
    }
}

TEST_F(Http, a_head_request_recorded_early_still_tells_that_its_response_has_no_body) {
    std::string all = "HEAD /1 HTTP/1.1\r\n\r\n";
    for (size_t i = 2; i <= 65; ++i) all += numbered_request(i);
    play.send(client, all);
    play.send(server, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + numbered_response(2));
    ASSERT_EQ(ctx.records.size(), 3u);
    EXPECT_EQ(value("http.response.body.size", 1), "0");
    EXPECT_EQ(value("url.path", 2), "\"/2\"");
}

TEST_F(Http, waiting_requests_hold_a_bounded_amount_of_text) {
    // 20 values of 1 KiB: 13 such requests are more than is kept.
    std::string large = "GET /large HTTP/1.1\r\nHost: h\r\n";
    for (size_t i = 0; i < 20; ++i) large += "Via: " + std::string(1000, 'v') + "\r\n";
    large += "\r\n";
    for (size_t i = 0; i < 20; ++i) play.send(client, large);
    EXPECT_EQ(ctx.records.size(), 8u);
    EXPECT_GT(dissector->memory(), 200'000u);
    EXPECT_LE(dissector->memory(), 256u * 1024);
    const size_t early = ctx.records.size();
    for (size_t i = 1; i <= 20; ++i) play.send(server, numbered_response(i));
    ASSERT_EQ(ctx.records.size(), early + 20);
    for (size_t i = early; i < 20 + early; ++i) {
        EXPECT_EQ(value("http.response.body.size", i), std::to_string(i - early + 1));
        EXPECT_EQ(value("url.path", i), i < 2 * early ? "" : "\"/large\"");
    }
}

TEST_F(Http, a_body_is_skipped_and_counted) {
    play.send(client, "GET /big HTTP/1.1\r\nHost: h\r\n\r\n");
    play.send(server, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nstart");
    EXPECT_EQ(play.skip_left(server), 999'995u);
    EXPECT_TRUE(ctx.records.empty());
    ctx.now += 70;
    play.gap(server, 999'995);  // the kernel withheld it
    ASSERT_EQ(ctx.records.size(), 1u);
    EXPECT_EQ(value("http.response.body.size"), "1000000");
    EXPECT_EQ(value("cvf.http.response.duration"), "70");
    EXPECT_EQ(value("cvf.truncated"), "");
    // The same connection goes on.
    exchange("GET /next HTTP/1.1\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n");
    ASSERT_EQ(ctx.records.size(), 2u);
    EXPECT_EQ(value("http.response.status_code", 1), "204");
    EXPECT_EQ(value("cvf.http.sequence", 1), "2");
}

TEST_F(Http, a_body_without_length_ends_with_the_connection) {
    play.send(client, "GET / HTTP/1.0\r\n\r\n");
    play.send(server, "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\none");
    play.send(server, "two and three");
    EXPECT_TRUE(ctx.records.empty());
    play.close(server);
    ASSERT_EQ(ctx.records.size(), 1u);
    EXPECT_EQ(value("http.response.body.size"), "16");
    EXPECT_EQ(value("http.response.header.content-type"), R"(["text/plain"])");
}

TEST_F(Http, responses_that_have_no_body_have_none_whatever_their_length_says) {
    play.send(client, "HEAD / HTTP/1.1\r\n\r\nGET /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\n");
    play.send(server,
              "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nHTTP/1.1 304 Not Modified\r\nContent-Length: 60\r\n\r\n"
              "HTTP/1.1 204 No Content\r\n\r\n");
    ASSERT_EQ(ctx.records.size(), 3u);
    EXPECT_EQ(value("http.response.body.size", 0), "0");
    EXPECT_EQ(value("http.response.status_code", 1), "304");
    EXPECT_EQ(value("http.response.status_code", 2), "204");
    EXPECT_THAT(ctx.violations, IsEmpty());
}

TEST_F(Http, an_expected_continue_is_noted_and_the_final_response_pairs) {
    play.send(client, "POST /up HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
    play.send(server, "HTTP/1.1 100 Continue\r\n\r\n");
    ctx.now += 30;
    play.send(client, "data");
    ctx.now += 20;
    play.send(server, "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n");
    ASSERT_EQ(ctx.records.size(), 1u);
    EXPECT_EQ(value("http.response.status_code"), "201");
    EXPECT_EQ(value("cvf.http.response.interim"), "[100]");
    EXPECT_EQ(value("cvf.http.expect_continue"), "true");
    EXPECT_EQ(value("http.request.body.size"), "4");
    EXPECT_EQ(value("cvf.http.time_to_first_byte"), "50");
}

TEST_F(Http, a_request_behind_a_refused_continue_is_no_body) {
    for (size_t segment : {0, 1}) {
        ctx.records.clear();
        play.send(client, "PUT /f HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 400\r\n\r\n");
        play.send(server, "HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n");
        play.send(client, "GET /next HTTP/1.1\r\nHost: h\r\n\r\n", segment);
        ASSERT_EQ(ctx.records.size(), 1u);
        EXPECT_EQ(value("url.path"), "\"/f\"");
        EXPECT_EQ(value("http.request.body.size"), "0");
        EXPECT_EQ(value("http.response.status_code"), "417");
        play.send(server, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        ASSERT_EQ(ctx.records.size(), 2u);
        EXPECT_EQ(value("url.path", 1), "\"/next\"");
    }
}

TEST_F(Http, a_body_sent_in_spite_of_a_refusal_is_a_body) {
    play.send(client, "PUT /f HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 40\r\n\r\n");
    play.send(server, "HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n");
    play.send(client, std::string(40, 'b') + "GET /next HTTP/1.1\r\nHost: h\r\n\r\n");
    play.send(server, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    ASSERT_EQ(ctx.records.size(), 2u);
    EXPECT_EQ(value("http.request.body.size"), "40");
    EXPECT_EQ(value("url.path", 1), "\"/next\"");
}

TEST_F(Http, a_client_that_leaves_after_a_refused_continue_has_sent_a_whole_request) {
    play.send(client, "PUT /f HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 400\r\n\r\n");
    play.send(server, "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n");
    play.close(client);
    ASSERT_EQ(ctx.records.size(), 1u);
    EXPECT_EQ(value("error.type"), "");
    EXPECT_EQ(value("cvf.truncated"), "");
}

TEST_F(Http, an_early_response_waits_for_the_rest_of_its_request) {
    play.send(client, "POST /up HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc");
    play.send(server, "HTTP/1.1 413 Too Large\r\nServer: s\r\nContent-Length: 2\r\n\r\nno");
    EXPECT_TRUE(ctx.records.empty());
    play.send(client, "defghij");
    ASSERT_EQ(ctx.records.size(), 1u);
    EXPECT_EQ(value("http.request.body.size"), "10");
    EXPECT_EQ(value("http.response.header.server"), R"(["s"])");
}

TEST_F(Http, methods_outside_the_convention_keep_their_name_beside_other) {
    exchange("PROPFIND /dav HTTP/1.1\r\n\r\nget / HTTP/1.1\r\n\r\nCCM_POST / HTTP/1.1\r\n\r\n",
             "HTTP/1.1 207 Multi-Status\r\nContent-Length: 0\r\n\r\nHTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n"
             "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    ASSERT_EQ(ctx.records.size(), 3u);
    EXPECT_EQ(value("http.request.method", 0), "\"_OTHER\"");
    EXPECT_EQ(value("http.request.method_original", 0), "\"PROPFIND\"");
    EXPECT_EQ(value("http.request.method", 1), "\"GET\"");
    EXPECT_EQ(value("http.request.method_original", 1), "\"get\"");
    EXPECT_EQ(value("http.request.method_original", 2), "\"CCM_POST\"");
}

TEST_F(Http, connect_hands_the_tunnel_over_from_its_first_byte) {
    play.send(client, "CONNECT secure.example:443 HTTP/1.1\r\nHost: secure.example:443\r\n\r\n");
    play.send(client, "\x16\x03\x01");  // impatient
    play.send(server, "HTTP/1.1 200 Connection established\r\n\r\n");
    EXPECT_EQ(ctx.handed_over, "");
    EXPECT_EQ(play.pending(client), 3u);
    ASSERT_EQ(ctx.records.size(), 1u);
    EXPECT_EQ(value("http.request.method"), "\"CONNECT\"");
    EXPECT_EQ(value("server.address"), "\"secure.example\"");
    EXPECT_EQ(value("server.port"), "443");
    EXPECT_EQ(value("url.path"), "");
}

TEST_F(Http, a_refused_connect_stays_http) {
    exchange("CONNECT h:443 HTTP/1.1\r\n\r\n", "HTTP/1.1 407 Auth\r\nContent-Length: 0\r\n\r\n");
    exchange("GET http://u:p@h/x HTTP/1.1\r\nHost: ignored\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    EXPECT_FALSE(ctx.handed_over);
    ASSERT_EQ(ctx.records.size(), 2u);
    EXPECT_EQ(value("server.address", 1), "\"h\"");
    EXPECT_EQ(value("url.path", 1), "\"/x\"");
}

TEST_F(Http, switching_protocols_hands_the_connection_over) {
    exchange("GET /chat HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
             "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n\x81\x02hi");
    EXPECT_TRUE(ctx.handed_over.has_value());
    EXPECT_EQ(play.pending(server), 4u);
    ASSERT_EQ(ctx.records.size(), 1u);
    EXPECT_EQ(value("http.response.status_code"), "101");
    EXPECT_EQ(value("http.response.header.upgrade"), R"(["websocket"])");
}

TEST_F(Http, a_client_that_offers_an_upgrade_and_is_refused_goes_on) {
    exchange("GET /1 HTTP/1.1\r\nUpgrade: h2c\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    // Only the client is seen from here: its next request shows that nothing was switched.
    play.send(client, "GET /2 HTTP/1.1\r\nUpgrade: h2c\r\n\r\n");
    play.send(client, "GET /3 HTTP/1.1\r\nUpgrade: h2c\r\n\r\n");
    play.finish();
    ASSERT_EQ(ctx.records.size(), 3u);
    EXPECT_EQ(value("url.path", 2), "\"/3\"");
}

TEST_F(Http, a_request_of_http_0_9_gets_a_bare_body) {
    play.send(client, "GET /old?a=1\r\n");
    play.send(server, "<html>");
    play.send(server, "</html>");
    play.close(server);
    ASSERT_EQ(ctx.records.size(), 1u);
    EXPECT_THAT(ctx.versions, ElementsAre("0.9"));
    EXPECT_EQ(value("url.path"), "\"/old\"");
    EXPECT_EQ(value("http.response.body.size"), "13");
    EXPECT_EQ(value("http.response.status_code"), "");
    EXPECT_THAT(ctx.violations, IsEmpty());
}

TEST_F(Http, secrets_are_not_recorded) {
    exchange(
        "GET /p;jsessionid=S1?user=u&password=S2&X-Amz-Signature=S3&a=b HTTP/1.1\r\nHost: u:S4@h\r\nAuthorization: Basic S5\r\n"
        "Cookie: S6\r\nReferer: https://me:S7@r.example/x?access_token=S8#id_token=S9\r\nX-Api-Key: S10\r\n\r\n",
        "HTTP/1.1 302 Found\r\nLocation: https://cb.example/?state=1&token=S11\r\nSet-Cookie: S12\r\nContent-Length: 0\r\n\r\n");
    ASSERT_EQ(ctx.records.size(), 1u);
    for (int i = 1; i <= 12; ++i) EXPECT_THAT(ctx.records[0], Not(HasSubstr("S" + std::to_string(i))));
    EXPECT_EQ(value("url.path"), "\"/p;jsessionid=REDACTED\"");
    EXPECT_EQ(value("url.query"), "\"user=u&password=REDACTED&X-Amz-Signature=REDACTED&a=b\"");
    EXPECT_EQ(value("cvf.http.auth.scheme"), "\"Basic\"");
    EXPECT_EQ(value("http.request.header.referer"), R"(["https://r.example/x?access_token=REDACTED#id_token=REDACTED"])");
    EXPECT_EQ(value("http.response.header.location"), R"(["https://cb.example/?state=1&token=REDACTED"])");
}

TEST_F(Http, a_secret_does_not_hide_behind_percent_encoding) {
    exchange("GET /a?%74oken=s3cret&x%=1&to%6be%6E=zwei;%61%70%69%5Fkey=drei&%2574oken=vier HTTP/1.1\r\nHost: h\r\n\r\n",
             "HTTP/1.1 204 No Content\r\n\r\n");
    EXPECT_EQ(value("url.query"), R"("%74oken=REDACTED&x%=1&to%6be%6E=REDACTED;%61%70%69%5Fkey=REDACTED&%2574oken=vier")");
}

TEST_F(Http, an_unknown_authorization_scheme_is_not_named) {
    const std::string_view ok = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    exchange("GET / HTTP/1.1\r\nAuthorization: 0123456789secret\r\n\r\n", ok);
    exchange("GET / HTTP/1.1\r\nProxy-Authorization: bearer x\r\n\r\n", ok);
    EXPECT_EQ(value("cvf.http.auth.scheme", 0), "\"_OTHER\"");
    EXPECT_EQ(value("cvf.http.auth.scheme", 1), "\"Bearer\"");
}

TEST_F(Http, trace_context_is_read_from_w3c_and_b3_headers) {
    const std::string_view ok = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    exchange("GET / HTTP/1.1\r\ntraceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\r\n", ok);
    exchange("GET / HTTP/1.1\r\nb3: 80F198EE56343BA864FE8B2A57D3EFF7-e457b5a2e4d86bd1-1\r\n\r\n", ok);
    exchange("GET / HTTP/1.1\r\nX-B3-TraceId: 463ac35c9f6413ad\r\nX-B3-SpanId: a2fb4a1d1a96d312\r\n\r\n", ok);
    exchange("GET / HTTP/1.1\r\ntraceparent: 00-00000000000000000000000000000000-b7ad6b7169203331-01\r\n\r\n", ok);
    EXPECT_EQ(value("trace.id", 0), "\"0af7651916cd43dd8448eb211c80319c\"");
    EXPECT_EQ(value("span.id", 0), "\"b7ad6b7169203331\"");
    EXPECT_EQ(value("trace.id", 1), "\"80f198ee56343ba864fe8b2a57d3eff7\"");
    EXPECT_EQ(value("span.id", 1), "\"e457b5a2e4d86bd1\"");
    EXPECT_EQ(value("trace.id", 2), "\"463ac35c9f6413ad\"");
    EXPECT_EQ(value("trace.id", 3), "");
}

TEST_F(Http, trace_and_span_come_from_one_context) {
    const std::string t1(32, '1'), t2(32, '2'), s1(16, '3'), s2(16, '4');
    const auto ids = [&](std::string_view headers) {
        exchange("GET / HTTP/1.1\r\n" + std::string(headers) + "\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n");
        return value("trace.id", ctx.records.size() - 1) + value("span.id", ctx.records.size() - 1);
    };
    const std::string first = "\"" + t1 + "\"\"" + s1 + "\"", second = "\"" + t2 + "\"\"" + s2 + "\"";
    EXPECT_EQ(ids("X-B3-TraceId: " + t2 + "\r\ntraceparent: 00-" + t1 + "-" + s1 + "-01\r\nX-B3-SpanId: " + s2), first);
    EXPECT_EQ(ids("X-B3-TraceId: " + t2 + "\r\nX-B3-SpanId: " + s2 + "\r\ntraceparent: 00-" + t1 + "-" + s1 + "-01"), second);
    EXPECT_EQ(ids("b3: " + t2 + "-" + s2 + "\r\ntraceparent: 00-" + t1 + "-" + s1 + "-01"), second);
    EXPECT_EQ(ids("X-B3-TraceId: " + t2), "\"" + t2 + "\"");
}

TEST_F(Http, a_header_that_stands_twice_is_a_list_of_two) {
    exchange("GET / HTTP/1.1\r\nX-Forwarded-For: 10.0.0.1\r\nVia: a\r\nX-Forwarded-For: 10.0.0.2\r\n\r\n",
             "HTTP/1.1 200 OK\r\nVia: 1\r\nVia: 2\r\nContent-Length: 0\r\n\r\n");
    EXPECT_EQ(value("http.request.header.x-forwarded-for"), R"(["10.0.0.1","10.0.0.2"])");
    EXPECT_EQ(value("http.request.header.via"), R"(["a"])");
    EXPECT_EQ(value("http.response.header.via"), R"(["1","2"])");
}

TEST_F(Http, nothing_is_recorded_and_all_skipped_when_nobody_wants_http) {
    ctx.types_wanted.reset();
    play.send(client, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    EXPECT_THAT(ctx.versions, ElementsAre("1.1"));
    EXPECT_THAT(ctx.hosts, ElementsAre("h"));
    EXPECT_EQ(play.skip_left(client), skip_all);
    EXPECT_EQ(ctx.skip_asked[server], skip_all);
    play.finish();
    EXPECT_THAT(ctx.records, IsEmpty());
}

TEST_F(Http, a_request_without_a_target_is_a_request_that_breaks_the_rules) {
    for (const char* line : {"GET HTTP/1.1\r\n", "GET  HTTP/1.1\r\n"})
        EXPECT_EQ(http.match(Direction::from_initiator, test::as_bytes(line), 1, 2), Match::yes);
    exchange("GET HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    ASSERT_EQ(ctx.records.size(), 1u);
    EXPECT_EQ(value("http.request.method"), "\"GET\"");
    EXPECT_EQ(value("url.path"), "");
    EXPECT_EQ(value("http.response.status_code"), "400");
    EXPECT_EQ(value("cvf.violation"), "\"request without a target\"");
}

TEST_F(Http, http_is_told_from_what_looks_like_it) {
    const auto judge = [](std::string_view text) { return http.match(Direction::from_initiator, test::as_bytes(text), 1, 2); };
    EXPECT_EQ(judge("GET / HTTP/1.1\r\n"), Match::yes);
    EXPECT_EQ(judge("\r\nM-SEARCH * HTTP/1.1\n"), Match::yes);
    EXPECT_EQ(judge("HTTP/1.1 200 OK\r\n"), Match::yes);
    EXPECT_EQ(judge("GET /\r\n"), Match::yes);
    EXPECT_EQ(judge("ICY 200 OK\r\n"), Match::yes);
    EXPECT_EQ(judge("GET /" + std::string(200, 'a')), Match::yes);
    for (std::string_view text :
         {"", "G", "GET", "GET ", "GET /index", "GET / HTTP/1.1\r", "HTTP/1.", "HTTP/1.1 20", "NOTIFY * HT"})
        EXPECT_EQ(judge(text), Match::maybe) << text;
    for (std::string_view text :
         {"OPTIONS rtsp://h/ RTSP/1.0\r\n", "INVITE sip:a@b SIP/2.0\r\n", "PRI * HTTP/2.0\r\n", "GET /\r\nHost: h\r\n",
          "GET x\r\n", "POST /\r\n", "HTTP/2 200\r\n", "HTTP/1.1 2000\r\n", "220 smtp.example ESMTP\r\n", "EHLO x\r\n",
          "\x16\x03\x01", "WORD  HTTP/1.1\r\n", "SSH-2.0-x\r\n", "get key\r\n"})
        EXPECT_EQ(judge(text), Match::no) << text;
}

}  // namespace
