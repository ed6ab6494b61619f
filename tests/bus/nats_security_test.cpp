// NATS with logins, TLS and client certificates.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include <fstream>

#include "watcher.h"

namespace cvf::bus::test {

namespace {

#define NEEDS_NATS() \
    if (!Nats::installed()) GTEST_SKIP() << "SKIP: no nats-server here"

// What State says after a while: connected, or why not.
State outcome(Options options, bool expected) {
    options.reconnect_wait = std::chrono::milliseconds(20);
    auto bus = Bus::connect(options);
    EXPECT_TRUE(bus) << bus.error();
    if (!bus) return {};
    wait_for([&] {
        const State now = (*bus)->state();
        return now.connected || (!expected && !now.last_error.empty());
    });
    const State state = (*bus)->state();
    EXPECT_EQ(state.connected, expected) << state.last_error;
    return state;
}

Options at(const std::string& url) {
    Options o;
    o.url = url;
    return o;
}

}  // namespace

TEST(NatsSecurity, user_and_password_in_the_url_or_beside_it) {
    NEEDS_NATS();
    Nats server({.jetstream = false, .config = "authorization { user: \"node\", password: \"p@ss:wörd\" }"});
    const State good = outcome(at(server.url("nats://node:p%40ss%3Aw%C3%B6rd@")), true);
    EXPECT_EQ(good.server.find("p@ss"), std::string::npos) << good.server;
    Options beside = at(server.url());
    beside.user = "node";
    beside.password = "p@ss:wörd";
    outcome(beside, true);
    const State bad = outcome(at(server.url("nats://node:secret-typo@")), false);
    EXPECT_NE(bad.last_error.find("uthorization"), std::string::npos) << bad.last_error;
    EXPECT_NE(bad.last_error.find("check --bus-user"), std::string::npos) << bad.last_error;
    EXPECT_EQ(bad.last_error.find("secret-typo"), std::string::npos) << bad.last_error;
    outcome(at(server.url()), false);
}

TEST(NatsSecurity, a_token) {
    NEEDS_NATS();
    Nats server({.jetstream = false, .config = "authorization { token: \"s3cr3t\" }"});
    outcome(at(server.url("nats://s3cr3t@")), true);
    const State bad = outcome(at(server.url("nats://wrong-one@")), false);
    EXPECT_EQ(bad.last_error.find("wrong-one"), std::string::npos) << bad.last_error;
}

TEST(NatsSecurity, a_login_that_becomes_right_is_found) {
    NEEDS_NATS();
    const int port = free_port();
    auto server = std::make_unique<Nats>(NatsOptions{.jetstream = false, .config = "authorization { token: \"old\" }"}, port);
    Options o = at("nats://new@127.0.0.1:" + std::to_string(port));
    o.reconnect_wait = std::chrono::milliseconds(20);
    auto bus = Bus::connect(o);
    ASSERT_TRUE(bus);
    EXPECT_FALSE(wait_for([&] { return (*bus)->state().connected; }, std::chrono::milliseconds(500)));
    server.reset();
    server = std::make_unique<Nats>(NatsOptions{.jetstream = false, .config = "authorization { token: \"new\" }"}, port);
    EXPECT_TRUE(wait_for([&] { return (*bus)->state().connected; })) << (*bus)->state().last_error;
}

TEST(NatsSecurity, what_may_not_be_published_is_not_said_to_have_arrived) {
    NEEDS_NATS();
    const auto config = [](const std::string& denied) {
        return "authorization { users: [ { user: \"node\", password: \"x\", permissions: { publish: { allow: \"cvf.>\", deny: "
               "[ " +
               denied + " ] }, subscribe: \">\" } } ] }";
    };
    const Folder folder;
    const int port = free_port();
    Nats server({.jetstream = false, .config = config("\"cvf.v1.records.health.>\", \"cvf.v1.records.http.>\"")}, port);
    Options o = at("nats://node:x@127.0.0.1:" + std::to_string(port));
    Settlements settlements;
    o.on_settled = settlements.handler();
    auto made = Bus::connect(o);
    ASSERT_TRUE(made) << made.error();
    Bus& bus = **made;
    ASSERT_TRUE(wait_for([&] { return bus.state().connected; }));
    Inbox inbox;
    auto subscription = bus.subscribe("cvf.v1.records.>", "", inbox.handler());
    ASSERT_TRUE(subscription);

    const std::string health = "cvf.v1.records.health.n", http = "cvf.v1.records.http.n", dns = "cvf.v1.records.dns.n";
    uint64_t token = 0;
    const auto publish = [&](const std::string& subject) {
        Message m;
        m.subject = subject;
        m.payload = "x";
        m.token = ++token;
        ASSERT_TRUE(wait_for([&] { return bus.publish(m) == Accepted::yes; }));
    };
    // Whatever is said delivered has come to the subscriber, in a mixture and one by one.
    for (int round = 0; round < 20; round++) {
        for (const std::string& subject : {dns, health, dns, http}) publish(subject);
        if (round % 5 == 0) ASSERT_TRUE(bus.drain(std::chrono::seconds(5)));
    }
    ASSERT_TRUE(bus.drain(std::chrono::seconds(5)));
    EXPECT_TRUE(settlements.each_once(token));
    const std::vector<uint64_t> delivered = settlements.delivered_tokens();
    EXPECT_GT(delivered.size(), 20u);
    for (const uint64_t t : delivered) EXPECT_EQ(t % 2, 1u) << "of a denied subject";
    EXPECT_TRUE(wait_for([&] { return inbox.size() == 40; })) << inbox.size();
    EXPECT_NE(bus.state().last_error.find("ermissions"), std::string::npos) << bus.state().last_error;
    // The question that goes out after some seconds is answered, too.
    std::this_thread::sleep_for(std::chrono::milliseconds(5200));
    const size_t before = settlements.delivered();
    publish(health);
    publish(dns);
    ASSERT_TRUE(bus.drain(std::chrono::seconds(5)));
    EXPECT_EQ(settlements.delivered(), before + 1);
    // They may now: noticed without another connection.
    server.reconfigure({.jetstream = false, .config = config("\"cvf.none\"")});
    ASSERT_TRUE(wait_for(
        [&] {
            publish(health);
            bus.drain(std::chrono::seconds(5));
            return inbox.all().back().subject == health;
        },
        std::chrono::seconds(15)));
    EXPECT_GT(settlements.delivered(), before + 1);
}

TEST(NatsSecurity, what_is_larger_than_the_server_takes_is_refused_for_good) {
    NEEDS_NATS();
    Nats server({.jetstream = false, .config = "max_payload: 1000"});
    Options o = at(server.url());
    std::atomic<int> refused = 0, others = 0;
    o.on_settled = [&](const Settled& s) { (s.refused && !s.delivered ? refused : others)++; };
    auto made = Bus::connect(o);
    ASSERT_TRUE(made) << made.error();
    ASSERT_TRUE(wait_for([&] { return (*made)->state().connected; }));
    const std::string large(2000, 'x');
    Message m;
    m.subject = "cvf.v1.records.dns.n";
    m.payload = large;
    ASSERT_EQ((*made)->publish(m), Accepted::yes);
    m.payload = "x";
    ASSERT_EQ((*made)->publish(m), Accepted::yes);
    ASSERT_TRUE((*made)->drain(std::chrono::seconds(5)));
    EXPECT_EQ(refused, 1);
    EXPECT_EQ(others, 1);
}

class NatsTls : public testing::Test {
 protected:
    Certificates certificates;
    std::string tls(const std::string& more = {}) const {
        return "tls { cert_file: \"" + certificates.server() + "\", key_file: \"" + certificates.server_key() +
               "\", ca_file: \"" + certificates.ca() + "\"" + (more.empty() ? "" : ", ") + more + " }";
    }
};

TEST_F(NatsTls, the_server_is_held_against_the_authority_and_its_name) {
    NEEDS_NATS();
    Nats server({.jetstream = false, .config = tls()});
    Options o = at(server.url("tls://", "localhost"));
    o.ca_file = certificates.ca();
    outcome(o, true);
    // Certificates ask for TLS even where the scheme does not.
    o.url = server.url("nats://", "localhost");
    outcome(o, true);

    Options wrong_name = o;
    wrong_name.url = server.url("tls://", "127.0.0.1");
    EXPECT_FALSE(outcome(wrong_name, false).last_error.empty());
    Options wrong_ca = o;
    wrong_ca.ca_file = certificates.other_ca();
    EXPECT_NE(outcome(wrong_ca, false).last_error.find("--bus-ca names"), std::string::npos);
    Options system_ca = o;
    system_ca.ca_file.clear();
    system_ca.url = server.url("tls://", "localhost");
    EXPECT_FALSE(outcome(system_ca, false).last_error.empty());
    outcome(at(server.url("nats://", "localhost")), false);
}

TEST_F(NatsTls, a_client_certificate_where_the_server_wants_one) {
    NEEDS_NATS();
    Nats server({.jetstream = true, .config = tls("verify: true")});
    Options o = at(server.url("tls://", "localhost"));
    o.ca_file = certificates.ca();
    outcome(o, false);
    o.cert_file = certificates.client();
    o.key_file = certificates.client_key();
    outcome(o, true);
    auto bus = Bus::connect(o);
    ASSERT_TRUE(bus);
    const auto put = (*bus)->put("b", "k", "v");
    EXPECT_TRUE(put) << put.error();
}

TEST_F(NatsTls, files_that_do_not_fit_are_refused_at_once) {
    Options o = at("tls://localhost:4222");
    const auto error = [&] {
        auto bus = Bus::connect(o);
        return bus ? std::string() : bus.error();
    };
    o.ca_file = "/nowhere/ca.pem";
    EXPECT_NE(error().find("/nowhere/ca.pem: No such file"), std::string::npos) << error();
    o.ca_file = certificates.client_key();
    EXPECT_NE(error().find("no certificates of authorities"), std::string::npos) << error();
    o.ca_file = certificates.ca();
    o.cert_file = certificates.client();
    EXPECT_NE(error().find("needs both"), std::string::npos) << error();
    o.key_file = certificates.server_key();
    EXPECT_NE(error().find("is no key of the certificate"), std::string::npos) << error();
    o.cert_file.clear();
    o.key_file.clear();
    o.credentials_file = "/nowhere/agent.creds";
    EXPECT_NE(error().find("/nowhere/agent.creds"), std::string::npos) << error();
}

TEST(NatsSecurity, a_credentials_file) {
    NEEDS_NATS();
    // Of a server without operators any will do: it is read and sent.
    const Folder folder;
    std::ofstream(folder / "agent.creds")
        << "-----BEGIN NATS USER JWT-----\neyJ0eXAiOiJKV1QifQ.e30.c2ln\n------END NATS USER JWT------\n\n"
           "-----BEGIN USER NKEY SEED-----\nSUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY\n"
           "------END USER NKEY SEED------\n";
    Nats server({.jetstream = false, .config = {}});
    Options o = at(server.url());
    o.credentials_file = folder / "agent.creds";
    outcome(o, true);
}

}  // namespace cvf::bus::test
