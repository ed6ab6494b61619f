// TLS both ways: our client, curl and OpenSSL against our server, with certificates made here.
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <fstream>
#include <mutex>
#include <thread>

#include "http/client.h"
#include "http/server.h"
#include "test_certificates.h"

namespace cvf::http {
namespace {

using namespace std::chrono_literals;

std::pair<int, std::string> shell(const std::string& command) {
    FILE* pipe = ::popen(command.c_str(), "r");
    std::string out;
    char piece[4096];
    for (size_t n; (n = ::fread(piece, 1, sizeof piece, pipe)) > 0;) out.append(piece, n);
    const int status = ::pclose(pipe);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, out};
}

class Lines final : public BodySource {
 public:
    void start(Waker) override {}
    Piece next() override {
        if (++count_ > 1000) return {State::end, {}};
        line_ = "line " + std::to_string(count_) + "\n";
        return {State::more, line_};
    }

 private:
    int count_ = 0;
    std::string line_;
};

struct HttpTls : testing::Test {
    std::string folder = testing::TempDir() + "cvf-tls-" + std::to_string(::getpid()) + "-";
    test::Authority authority{"test authority"}, stranger{"another authority"};
    std::unique_ptr<Server> server;
    std::mutex mutex;
    std::string complaint;

    std::string file(const std::string& name) const { return folder + name; }
    void SetUp() override {
        authority.write(file("ca.pem"));
        stranger.write(file("stranger.pem"));
        authority.issue("server one", "DNS:localhost,IP:127.0.0.1", file("cert.pem"), file("key.pem"));
        authority.issue("alice", "", file("alice.pem"), file("alice.key"));
        stranger.issue("alice", "", file("mallory.pem"), file("mallory.key"));
    }
    void start(bool clients, ServerLimits limits = {}) {
        ServerTls tls{file("cert.pem"), file("key.pem"), clients ? file("ca.pem") : "", 50ms, [this](const std::string& text) {
                          const std::lock_guard lock(mutex);
                          complaint = text;
                      }};
        auto started = Server::start(
            "127.0.0.1:0",
            [](const IncomingRequest& request) {
                OutgoingResponse response;
                response.body = std::string(request.client_name) + "@" + std::string(request.peer);
                if (request.target.path == "/big") response.body.assign(3'000'000, 'b');
                if (request.target.path == "/lines") response.source = std::make_unique<Lines>();
                return response;
            },
            limits, tls);
        ASSERT_TRUE(started) << started.error();
        server = std::move(*started);
    }
    Request request(std::string target = "/", const std::string& who = {}) const {
        Request out;
        out.target = std::move(target);
        out.tls.ca_file = file("ca.pem");
        if (!who.empty()) {
            out.tls.cert_file = file(who + ".pem");
            out.tls.key_file = file(who + ".key");
        }
        return out;
    }
    template <typename Condition>
    static bool soon(Condition condition) {
        for (int i = 0; i < 300; ++i) {
            if (condition()) return true;
            std::this_thread::sleep_for(10ms);
        }
        return false;
    }
};

TEST_F(HttpTls, carries_small_and_large_and_endless_answers) {
    start(false);
    EXPECT_TRUE(server->address().starts_with("https://127.0.0.1:"));
    const auto small = fetch(server->address(), request());
    ASSERT_TRUE(small) << small.error().text;
    EXPECT_EQ(small->body, "@127.0.0.1");
    EXPECT_EQ(fetch(server->address(), request("/big"))->body.size(), 3'000'000u);
    std::string got;
    const auto lines = stream(server->address(), request("/lines"), [&](std::string_view piece) {
        got += piece;
        return true;
    });
    ASSERT_TRUE(lines) << lines.error().text;
    EXPECT_TRUE(got.ends_with("line 1000\n"));
}

TEST_F(HttpTls, trusts_no_server_of_another_authority_or_name) {
    start(false);
    Request strange = request();
    strange.tls.ca_file = file("stranger.pem");
    const auto other = fetch(server->address(), strange);
    ASSERT_FALSE(other);
    EXPECT_NE(other.error().text.find("certificate is not accepted"), std::string::npos) << other.error().text;
    strange.tls.ca_file.clear();
    EXPECT_FALSE(fetch(server->address(), strange)) << "the system does not know this authority";
    EXPECT_TRUE(fetch("https://localhost:" + std::to_string(server->port()), request()));
    authority.issue("elsewhere", "DNS:elsewhere.example", file("cert.pem"), file("key.pem"));
    start(false);
    EXPECT_FALSE(fetch(server->address(), request())) << "it is not the one that was called";
    strange.tls.ca_file = "/nowhere/ca.pem";
    EXPECT_EQ(fetch(server->address(), strange).error().stage, Stage::address);
}

TEST_F(HttpTls, lets_only_clients_of_its_authority_in_and_tells_their_name) {
    start(true);
    const auto alice = fetch(server->address(), request("/", "alice"));
    ASSERT_TRUE(alice) << alice.error().text;
    EXPECT_EQ(alice->body, "alice@127.0.0.1");
    EXPECT_FALSE(fetch(server->address(), request()));
    EXPECT_FALSE(fetch(server->address(), request("/", "mallory")));
    EXPECT_TRUE(soon([&] { return server->stats().handshakes_failed >= 2; }));
    EXPECT_EQ(server->stats().requests, 1u);
}

TEST_F(HttpTls, serves_new_certificates_without_a_restart_and_survives_broken_ones) {
    start(false);
    stranger.issue("server two", "IP:127.0.0.1", file("cert.pem"), file("key.pem"));
    EXPECT_TRUE(soon([&] { return server->stats().reloads == 1; }));
    EXPECT_FALSE(fetch(server->address(), request()));
    Request now = request();
    now.tls.ca_file = file("stranger.pem");
    EXPECT_TRUE(fetch(server->address(), now));
    std::ofstream(file("cert.pem")) << "no certificate\n";
    EXPECT_TRUE(soon([&] { return server->stats().reloads_failed == 1; }));
    EXPECT_TRUE(fetch(server->address(), now)) << "the old one serves on";
    const std::lock_guard lock(mutex);
    EXPECT_NE(complaint.find("cert.pem"), std::string::npos) << complaint;
}

TEST_F(HttpTls, tells_which_file_it_cannot_use) {
    const auto begin = [&](std::string cert, std::string key, std::string ca = {}, std::string listen = "127.0.0.1:0") {
        ServerTls tls;
        tls.cert_file = std::move(cert);
        tls.key_file = std::move(key);
        tls.client_ca_file = std::move(ca);
        const auto none = Server::start(listen, nullptr, {}, tls);
        return none ? std::string("it began") : none.error();
    };
    EXPECT_NE(begin("/nowhere.pem", file("key.pem")).find("/nowhere.pem"), std::string::npos);
    EXPECT_NE(begin(file("cert.pem"), file("alice.key")).find("alice.key"), std::string::npos);
    EXPECT_NE(begin(file("cert.pem"), file("key.pem"), file("key.pem")).find("key.pem: no cert"), std::string::npos);
    EXPECT_NE(begin(file("cert.pem"), file("key.pem"), "", "unix:" + file("sock")).find("no TLS"), std::string::npos);
}

TEST_F(HttpTls, gives_up_on_a_handshake_that_never_ends_and_on_plain_text) {
    start(false, {.handshake_time = 200ms});
    const std::string port = std::to_string(server->port());
    // Nothing is said at all.
    const auto before = std::chrono::steady_clock::now();
    shell("bash -c 'exec 3<>/dev/tcp/127.0.0.1/" + port + "; cat <&3'");
    EXPECT_EQ(server->stats().handshakes_failed, 1u);
    EXPECT_TRUE(soon([&] { return server->stats().connections == 0; }));
    EXPECT_LT(std::chrono::steady_clock::now() - before, 5s);
    EXPECT_FALSE(fetch("http://127.0.0.1:" + port, {}));
    EXPECT_TRUE(soon([&] { return server->stats().handshakes_failed >= 1; }));
    EXPECT_TRUE(fetch(server->address(), request()));
}

TEST_F(HttpTls, speaks_tls_1_2_and_1_3_with_curl_but_nothing_older) {
    if (shell("command -v curl").first != 0) GTEST_SKIP() << "curl is not installed";
    start(false);
    const std::string curl = "curl -s --cacert " + file("ca.pem") + " ";
    for (const char* version : {"--tls-max 1.2", "--tlsv1.3"}) {
        const auto [status, out] = shell(curl + version + " " + server->address() + "/big | wc -c");
        EXPECT_EQ(out, "3000000\n") << version;
        EXPECT_EQ(shell(curl + version + " " + server->address() + "/lines | tail -1").second, "line 1000\n") << version;
    }
    EXPECT_NE(shell(curl + "--tls-max 1.1 --tlsv1.1 --ciphers DEFAULT@SECLEVEL=0 " + server->address()).first, 0);
}

}  // namespace
}  // namespace cvf::http
