// The table of subjects, and how tokens, patterns and topics follow from it.
#include "bus/subjects.h"

#include <gtest/gtest.h>

#include <map>
#include <regex>

namespace cvf::bus {

TEST(BusSubjects, a_node_of_any_name_is_one_token_and_comes_back) {
    for (const std::string& name :
         {std::string("node-1"), std::string("node.example.org"), std::string("a b"), std::string("*"), std::string(">"),
          std::string("="), std::string(), std::string("ü"), std::string("\0\n", 2), std::string("=2E")}) {
        const std::string token = escape_token(name);
        EXPECT_EQ(token.find_first_of(".*> \n"), std::string::npos) << token;
        EXPECT_EQ(unescape_token(token), name);
        EXPECT_TRUE(valid_subject(subject::records("dns", name)));
        EXPECT_TRUE(matches("cvf.v1.records.dns.*", subject::records("dns", name)));
    }
    EXPECT_EQ(escape_token("node.1"), "node=2E1");
    EXPECT_FALSE(unescape_token("a=2"));
    EXPECT_FALSE(unescape_token("a=zz"));
}

TEST(BusSubjects, subjects_and_patterns_are_told_from_others) {
    for (const char* good : {"a", "cvf.v1.directives", "a.b-c_d.=2E"}) EXPECT_TRUE(valid_subject(good)) << good;
    for (const char* bad : {"", ".", "a.", ".a", "a..b", "a.*", "a.>", "a b", "a\n"}) EXPECT_FALSE(valid_subject(bad)) << bad;
    EXPECT_FALSE(valid_subject(std::string(256, 'a')));
    for (const char* good : {"*", ">", "a.*.b", "a.>", "a.b"}) EXPECT_TRUE(valid_pattern(good)) << good;
    for (const char* bad : {"a.>.b", "a*", "*a.b", "a.>>", ""}) EXPECT_FALSE(valid_pattern(bad)) << bad;
}

TEST(BusSubjects, patterns_match_as_with_nats) {
    const std::tuple<const char*, const char*, bool> cases[] = {
        {"a.b", "a.b", true},    {"a.b", "a.c", false},  {"a.*", "a.b", true},   {"a.*", "a", false},
        {"a.*", "a.b.c", false}, {"a.>", "a.b.c", true}, {"a.>", "a", false},    {">", "a", true},
        {"*", "a.b", false},     {"*.b", "a.b", true},   {"a.b.c", "a.b", false}};
    for (const auto& [pattern, subject, yes] : cases) EXPECT_EQ(matches(pattern, subject), yes) << pattern << " " << subject;
}

TEST(BusSubjects, every_subject_belongs_to_its_family) {
    EXPECT_EQ(channel_of(subject::records("dns", "n"))->name, "records");
    EXPECT_EQ(channel_of(subject::directives)->name, "directives");
    EXPECT_EQ(channel_of(subject::status("n"))->name, "status");
    EXPECT_EQ(channel_of(subject::capture("c", "n"))->name, "capture");
    EXPECT_EQ(channel_of(subject::topology("n"))->name, "topology");
    EXPECT_EQ(channel_of("other.subject"), nullptr);
    for (const Channel& c : channels()) {
        EXPECT_TRUE(valid_pattern(c.pattern));
        EXPECT_EQ(channel_of(c.pattern), &c);
    }
    for (const Bucket& b : buckets()) EXPECT_TRUE(valid_bucket(b.name)) << b.name;
}

TEST(BusSubjects, a_subject_becomes_topic_and_headers_and_again_the_subject) {
    for (const std::string& subject : {subject::records("dns", "node.1"), std::string(subject::directives), subject::status(""),
                                       subject::capture("c 7", "n>1"), subject::topology("n"), std::string("other.subject")}) {
        const Topic topic = topic_of(subject);
        std::map<std::string_view, std::string> headers(topic.headers.begin(), topic.headers.end());
        EXPECT_EQ(subject_of(topic.name,
                             [&](std::string_view token) -> std::optional<std::string_view> {
                                 const auto it = headers.find(header_of_token(token));
                                 return it == headers.end() ? std::nullopt : std::optional<std::string_view>(it->second);
                             }),
                  subject);
        // The names that Kafka takes.
        EXPECT_TRUE(std::regex_match(topic.name, std::regex("[a-zA-Z0-9._-]{1,249}"))) << topic.name;
    }
    const Topic t = topic_of(subject::capture("c.7", "node.1"));
    EXPECT_EQ(t.name, "cvf.v1.capture");
    EXPECT_EQ(t.headers[0], (std::pair<std::string_view, std::string>{"Cvf-Capture", "c.7"}));
    EXPECT_EQ(t.headers[1], (std::pair<std::string_view, std::string>{"Cvf-Node", "node.1"}));
}

TEST(BusSubjects, a_pattern_finds_its_topics) {
    const auto found = [](std::string_view pattern, const std::string& topic) {
        const bool by_regex = std::regex_match(topic, std::regex(topics_regex(pattern).substr(1)));
        const bool by_match = topic_matches(pattern, topic);
        EXPECT_LE(by_match, by_regex) << pattern << " " << topic << " " << topics_regex(pattern);
        return by_match;
    };
    EXPECT_TRUE(found("cvf.v1.records.*.*", "cvf.v1.records.dns"));
    EXPECT_TRUE(found("cvf.v1.records.>", "cvf.v1.records.dns"));
    EXPECT_TRUE(found("cvf.v1.records.dns.node-1", "cvf.v1.records.dns"));
    EXPECT_FALSE(found("cvf.v1.records.dns.*", "cvf.v1.records.http"));
    EXPECT_TRUE(found("cvf.v1.>", "cvf.v1.status"));
    EXPECT_TRUE(found("cvf.v1.capture.c7.*", "cvf.v1.capture"));
    EXPECT_FALSE(found("cvf.v1.status.*", "cvf.v1.statuses"));
    EXPECT_TRUE(found("other.*", "other.subject"));
    EXPECT_FALSE(found("cvf.v1.records.*.*", "cvfxv1.records.dns"));
    EXPECT_EQ(topic_of_pattern("cvf.v1.records.dns.*"), "cvf.v1.records.dns");
    EXPECT_EQ(topic_of_pattern("cvf.v1.status.*"), "cvf.v1.status");
    EXPECT_EQ(topic_of_pattern("cvf.v1.records.*.n"), std::nullopt);
    EXPECT_EQ(topic_of_pattern("cvf.v1.>"), std::nullopt);
    EXPECT_EQ(topic_of_pattern("other.subject"), "other.subject");
}

}  // namespace cvf::bus
