// Kafka with logins, TLS and client certificates; and what is said where they are wrong.
#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>

#include <thread>

#include "bus/subjects.h"
#include "watcher.h"

namespace cvf::bus::test {

namespace {

constexpr const char* password = "night-train";

std::string why_not() {
    static const std::string why = Kafka::missing();
    return why;
}

const Certificates& certificates() {
    static const Certificates all;
    return all;
}

// One broker for all tests of this file: it takes seconds to start.
Kafka& broker() {
    static Kafka kafka(certificates(), {{"node", password}});
    return kafka;
}

class KafkaSecurity : public testing::Test {
 protected:
    void SetUp() override {
        if (!why_not().empty()) GTEST_SKIP() << "SKIP: " << why_not();
    }

    static Options at(const std::string& scheme, const std::string& door, const std::string& host = "localhost") {
        Options o;
        o.url = scheme + host + ":" + std::to_string(broker().port(door));
        o.reconnect_wait = std::chrono::milliseconds(50);
        o.partitions = 1;
        return o;
    }

    static Options login(Options o, const std::string& mechanism = {}) {
        o.user = "node";
        o.password = password;
        o.sasl_mechanism = mechanism;
        return o;
    }

    static Options tls(Options o) {
        o.ca_file = certificates().ca();
        return o;
    }

    static Options certificate(Options o) {
        o.cert_file = certificates().client();
        o.key_file = certificates().client_key();
        return o;
    }

    // Every kind of client that a bus has goes through that door: producer, reader, member of a group, table.
    static void everything_works(Options o) {
        static int count = 0;
        const std::string name = "door" + std::to_string(++count);
        Settlements settlements;
        o.on_settled = settlements.handler();
        o.client_name = name;
        auto made = Bus::connect(o);
        ASSERT_TRUE(made) << made.error();
        Bus& bus = **made;
        ASSERT_TRUE(wait_for([&] { return bus.state().connected; }, std::chrono::seconds(30))) << bus.state().last_error;
        Inbox inbox, group;
        Diary diary;
        const std::string subject = subject::records(name, "node-1");
        auto reader = bus.subscribe(subject, "", inbox.handler());
        ASSERT_TRUE(reader) << reader.error();
        auto member = bus.subscribe(subject, name, group.handler());
        ASSERT_TRUE(member) << member.error();
        auto watch = bus.watch(name, diary.handler());
        ASSERT_TRUE(watch) << watch.error();
        for (uint64_t token = 1; token <= 20; token++) {
            const std::string payload = std::to_string(token);
            Message m;
            m.subject = subject;
            m.payload = payload;
            m.token = token;
            ASSERT_TRUE(wait_for([&] { return bus.publish(m) == Accepted::yes; }));
        }
        ASSERT_TRUE(bus.drain(std::chrono::seconds(30)));
        EXPECT_TRUE(settlements.each_once(20));
        EXPECT_EQ(settlements.delivered(), 20u) << bus.state().last_error;
        const auto put = bus.put(name, "key", "value");
        EXPECT_TRUE(put) << put.error();
        EXPECT_TRUE(wait_for([&] { return diary.value("key") == "value"; }, std::chrono::seconds(30))) << bus.state().last_error;
        EXPECT_TRUE(wait_for([&] { return inbox.size() == 20 && group.size() == 20; }, std::chrono::seconds(30)))
            << inbox.size() << " " << group.size() << " " << bus.state().last_error;
    }

    // What is said after a while, and stays: one line, without the password, with each of `words`.
    static void is_refused(const Options& o, const std::vector<std::string>& words) {
        auto made = Bus::connect(o);
        ASSERT_TRUE(made) << made.error();
        const auto said = [&] { return (*made)->state().last_error; };
        const auto all_said = [&] {
            const std::string line = said();
            return std::all_of(words.begin(), words.end(), [&](const auto& w) { return line.find(w) != line.npos; });
        };
        EXPECT_TRUE(wait_for(all_said, std::chrono::seconds(30))) << said();
        // It tries on; whoever looks at any time sees the same.
        for (int i = 0; i < 150; i++) {
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
            const std::string line = said();
            ASSERT_TRUE(all_said()) << line;
            ASSERT_EQ(line.find('\n'), line.npos) << line;
            if (!o.password.empty()) {
                ASSERT_EQ(line.find(o.password), line.npos) << line;
            }
            for (const char* theirs : {"ssl.ca.location", "ssl.key.location", "security.protocol", "error:0", "/bootstrap"})
                ASSERT_EQ(line.find(theirs), line.npos) << line;
        }
        EXPECT_FALSE((*made)->state().connected);
        Message m;
        m.subject = "cvf.v1.records.dns.n";
        EXPECT_EQ((*made)->publish(m), Accepted::down);
        RecordProperty("said", said());
        std::cout << "said: " << said() << '\n';
    }
};

}  // namespace

TEST_F(KafkaSecurity, a_login) {
    everything_works(login(at("kafka://", "LOGIN"), "PLAIN"));
    Options in_the_url = at("kafka://", "LOGIN");
    in_the_url.sasl_mechanism = "PLAIN";
    in_the_url.url = "kafka://node:night%2Dtrain@localhost:" + std::to_string(broker().port("LOGIN"));
    everything_works(in_the_url);
}

// librdkafka before 2.6.1 can't do it with Kafka 4: then that is what is said.
TEST_F(KafkaSecurity, a_login_by_scram_works_or_the_way_out_is_told) {
    if (rd_kafka_version() >= 0x020601ff) {
        everything_works(login(at("kafka://", "LOGIN")));
        everything_works(login(certificate(tls(at("kafka+tls://", "FULL")))));
    } else {
        is_refused(login(at("kafka://", "LOGIN")), {"SCRAM-SHA-512", "librdkafka", "--bus-sasl PLAIN"});
    }
}

TEST_F(KafkaSecurity, tls_with_an_authority_of_ones_own) {
    everything_works(tls(at("kafka+tls://", "TLS")));
    // Certificates ask for TLS even where the scheme does not.
    everything_works(tls(at("kafka://", "TLS")));
}

TEST_F(KafkaSecurity, tls_with_a_certificate_of_the_client) {
    everything_works(certificate(tls(at("kafka+tls://", "MUTUAL"))));
}

TEST_F(KafkaSecurity, a_login_over_tls_with_a_certificate_of_the_client) {
    everything_works(login(certificate(tls(at("kafka+tls://", "FULL"))), "PLAIN"));
}

TEST_F(KafkaSecurity, a_wrong_password_is_named_with_what_to_do) {
    Options o = login(at("kafka://", "LOGIN"));
    o.password = "day-train";
    is_refused(o, {"refuses the login of \"node\"", "--bus-user", "--bus-password-file"});
    o = login(certificate(tls(at("kafka+tls://", "FULL"))), "PLAIN");
    o.password = "day-train";
    is_refused(o, {"refuses the login of \"node\"", "--bus-password-file"});
    o = login(at("kafka://", "LOGIN"));
    o.user = "nobody";
    is_refused(o, {"refuses the login of \"nobody\"", "--bus-password-file"});
}

TEST_F(KafkaSecurity, a_way_to_log_in_that_the_broker_does_not_know_is_named_with_those_it_does) {
    is_refused(login(certificate(tls(at("kafka+tls://", "FULL"))), "SCRAM-SHA-256"), {"SCRAM-SHA-256", "PLAIN", "--bus-sasl"});
}

TEST_F(KafkaSecurity, a_login_that_is_missing_is_asked_for) {
    is_refused(at("kafka://", "LOGIN"), {"--bus-user", "kafka+tls://"});
}

TEST_F(KafkaSecurity, a_wrong_authority_is_named_with_what_to_do) {
    Options o = tls(at("kafka+tls://", "TLS"));
    o.ca_file = certificates().other_ca();
    is_refused(o, {"certificate", certificates().other_ca(), "--bus-ca"});
    o.ca_file.clear();
    is_refused(o, {"certificate", "this system", "--bus-ca"});
}

TEST_F(KafkaSecurity, a_name_that_is_not_in_the_certificate_is_named) {
    is_refused(tls(at("kafka+tls://", "TLS", "127.0.0.1")), {"certificate", "127.0.0.1", "name"});
}

TEST_F(KafkaSecurity, a_certificate_that_the_broker_wants_is_asked_for) {
    is_refused(tls(at("kafka+tls://", "MUTUAL")), {"certificate", "--bus-cert", "--bus-key"});
}

TEST_F(KafkaSecurity, tls_on_one_side_only_is_noticed) {
    is_refused(at("kafka://", "TLS"), {"kafka+tls://"});
    Options o = tls(at("kafka+tls://", "TLS"));
    o.url = "kafka+tls://localhost:" + std::to_string(broker().port());
    is_refused(o, {"no TLS", "kafka://"});
}

TEST_F(KafkaSecurity, a_broker_that_is_away_says_so_and_no_more) {
    Options o = tls(at("kafka+tls://", "TLS"));
    o.url = "kafka+tls://localhost:" + std::to_string(free_port());
    is_refused(o, {"refused"});
}

}  // namespace cvf::bus::test
