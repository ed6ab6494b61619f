#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>

#include "api/authentication.h"
#include "api/metrics.h"
#include "api/problem.h"
#include "api/sse.h"
#include "api/token.h"

namespace cvf::api {
namespace {

std::string events(std::string_view bytes, size_t step) {
    std::string out;
    EventParser parser([&](std::string_view name, std::string_view data) {
        out += "<" + std::string(name) + ":" + std::string(data) + ">";
        return true;
    });
    for (size_t at = 0; at < bytes.size(); at += step) EXPECT_TRUE(parser.feed(bytes.substr(at, step)));
    return out;
}

TEST(EventParser, gives_the_same_events_however_the_bytes_are_cut) {
    const std::string_view bytes =
        "\xef\xbb\xbf: comment\n\ndata: one\n\ndata:two\ndata: lines\r\n\r\nevent: lost\rdata: {}\r\rid: 1\nevent: "
        "none\n\ndata\n\nfield\ndata: unfinished";
    for (size_t step = 1; step <= bytes.size(); ++step)
        EXPECT_EQ(events(bytes, step), "<message:one><message:two\nlines><lost:{}><message:>") << step;
}

TEST(EventParser, keeps_its_bound) {
    for (const std::string& bytes :
         {std::string(200, 'x'), "data: " + std::string(60, 'x') + "\ndata: " + std::string(60, 'x') + "\n"}) {
        EventParser parser([](std::string_view, std::string_view) { return true; }, 100);
        EXPECT_FALSE(parser.feed(bytes));
        EXPECT_TRUE(parser.too_long());
    }
}

TEST(Token, file_is_readable_by_its_owner_alone_and_new_each_time) {
    const std::string path = testing::TempDir() + "cvf-token-test/token";
    const auto first = make_token();
    ASSERT_TRUE(first) << first.error();
    EXPECT_EQ(first->size(), 64u);
    EXPECT_NE(*make_token(), *first);
    EXPECT_EQ(write_token_file(path, "the one before"), std::nullopt);
    EXPECT_EQ(write_token_file(path, *first), std::nullopt);
    struct stat st{};
    ASSERT_EQ(::stat(path.c_str(), &st), 0);
    EXPECT_EQ(st.st_mode & 07777, 0600u);
    EXPECT_EQ(*read_token_file(path), *first);
    std::ofstream(path) << " \n";
    EXPECT_FALSE(read_token_file(path));
    std::ofstream(path) << "two words\n";
    EXPECT_FALSE(read_token_file(path));
    ::unlink(path.c_str());
    EXPECT_NE(read_token_file(path).error().find(path), std::string::npos);
    EXPECT_TRUE(write_token_file("/proc/nowhere/token", *first));
    ::rmdir((testing::TempDir() + "cvf-token-test").c_str());
}

TEST(Token, is_compared_whole) {
    const Authentication only("abc", nullptr);
    EXPECT_TRUE(only.identify("Bearer abc", ""));
    EXPECT_TRUE(only.identify("bearer  abc", ""));
    for (const char* bad : {"", "abc", "Bearer", "Bearer ", "Bearer ab", "Bearer abd", "Bearer abcd", "Basic abc"})
        EXPECT_FALSE(only.identify(bad, "")) << bad;
    EXPECT_FALSE(same_token("", "")) << "no token is no key";
}

TEST(Metrics, escape_what_the_format_gives_a_meaning) {
    const Metric metric{"cvf_x_total",
                        "A \\ and\na line.",
                        Metric::Type::counter,
                        {{{{"a", "q\"\\\n"}, {"b", "2"}}, uint64_t{18446744073709551615u}}}};
    EXPECT_EQ(write_metrics({metric}),
              "# HELP cvf_x_total A \\\\ and\\na line.\n# TYPE cvf_x_total counter\ncvf_x_total{a=\"q\\\"\\\\\\n\",b=\"2\"} "
              "18446744073709551615\n");
    EXPECT_EQ(write_metrics({{"cvf_y_total", "Nothing.", Metric::Type::counter, {}}}), "");
}

TEST(Problem, of_another_server_is_read_with_care) {
    EXPECT_EQ(parse_problem(400, R"({"detail":"no\u001b[2Jfield","column":7,"parameter":"filter"})").detail, "no[2Jfield");
    EXPECT_EQ(parse_problem(400, R"({"column":7})").column, 7u);
    for (const char* odd : {"", "<html>", "[]", R"({"detail":1,"column":"x"})", R"({"column":-1})"}) {
        EXPECT_EQ(parse_problem(400, odd).detail, "");
        EXPECT_EQ(parse_problem(400, odd).column, 0u);
    }
}

}  // namespace
}  // namespace cvf::api
