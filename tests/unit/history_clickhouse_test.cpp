// Against real engines: Debian's clickhouse-server where it is installed, and chDB (the current engine) where CVF_CHDB_PYTHON
// names a Python that has it. Both get the same records and questions as the embedded store.
#include "history/clickhouse.h"

#include <arpa/inet.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include "history/clickhouse_schema.h"
#include "history/clickhouse_table.h"
#include "history/sink.h"
#include "history/sql.h"
#include "history_reference.h"
#include "http/client.h"
#include "sink/threaded.h"

namespace cvf::history {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

int free_port() {
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof a;
    EXPECT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&a), sizeof a), 0);
    ::getsockname(fd, reinterpret_cast<sockaddr*>(&a), &size);
    ::close(fd);
    return ntohs(a.sin_port);
}

// A server of its own with its own folder and port, ended by its pid.
class Server {
 public:
    explicit Server(bool chdb) : folder_(fs::path(testing::TempDir()) / fmt::format("cvf-clickhouse-{}-{}", ::getpid(), chdb)) {
        fs::remove_all(folder_);
        fs::create_directories(folder_);
        const int port = free_port();
        address_ = fmt::format("http://127.0.0.1:{}", port);
        std::vector<std::string> command;
        if (chdb) {
            const char* python = ::getenv("CVF_CHDB_PYTHON");
            if (!python) {
                missing_ = "CVF_CHDB_PYTHON names no Python with chdb";
                return;
            }
            command = {python,
                       fs::path(::getenv("CVF_SOURCE") ? ::getenv("CVF_SOURCE") : ".") / "tests/clickhouse/chdb_server.py",
                       std::to_string(port), folder_ / "data"};
        } else {
            if (!fs::exists("/usr/sbin/clickhouse-server")) {
                missing_ = "clickhouse-server is not installed";
                return;
            }
            write_config(port);
            command = {"/usr/sbin/clickhouse-server", "--config-file=" + (folder_ / "config.xml").string()};
        }
        pid_ = ::fork();
        if (pid_ == 0) {
            if (!::freopen((folder_ / "out").c_str(), "w", stdout) || !::freopen((folder_ / "err").c_str(), "w", stderr))
                ::_exit(126);
            ::setenv("CLICKHOUSE_WATCHDOG_ENABLE", "0", 1);
            std::vector<char*> arguments;
            for (auto& a : command) arguments.push_back(a.data());
            arguments.push_back(nullptr);
            ::execv(arguments[0], arguments.data());
            ::_exit(127);
        }
        for (int i = 0; i < 300; ++i) {
            http::Request request{.method = "POST", .target = "/", .headers = {}, .body = "SELECT 1"};
            if (const auto r = http::fetch(address_, request); r && r->status == 200) return;
            if (::waitpid(pid_, nullptr, WNOHANG) == pid_) {
                pid_ = -1;
                missing_ = "the server ended: " + errors();
                return;
            }
            std::this_thread::sleep_for(100ms);
        }
        missing_ = "the server does not answer: " + errors();
    }
    ~Server() {
        if (pid_ > 0) {
            ::kill(pid_, SIGTERM);
            for (int i = 0; i < 100 && ::waitpid(pid_, nullptr, WNOHANG) == 0; ++i) std::this_thread::sleep_for(50ms);
            ::kill(pid_, SIGKILL);
            ::waitpid(pid_, nullptr, 0);
        }
        fs::remove_all(folder_);
    }
    const std::string& address() const { return address_; }
    const std::string& missing() const { return missing_; }

 private:
    std::string errors() const {
        std::ifstream in(folder_ / "err");
        return std::string(std::istreambuf_iterator<char>(in), {}).substr(0, 1000);
    }
    void write_config(int port) const {
        const std::string f = folder_.string();
        std::ofstream(folder_ / "config.xml") << fmt::format(
            "<yandex><logger><level>error</level><log>{0}/log</log><errorlog>{0}/errorlog</errorlog></logger><http_port>{1}</"
            "http_port>"
            "<listen_host>127.0.0.1</listen_host><path>{0}/data/</path><tmp_path>{0}/tmp/</tmp_path>"
            "<users_config>{0}/users.xml</users_config><default_profile>default</default_profile>"
            "<default_database>default</default_database><mark_cache_size>67108864</mark_cache_size></yandex>",
            f, port);
        std::ofstream(folder_ / "users.xml") << "<yandex><profiles><default></default></profiles><quotas><default></default></"
                                                "quotas><users><default><password></password>"
                                                "<networks><ip>127.0.0.1</ip></networks><profile>default</"
                                                "profile><quota>default</quota></default></users></yandex>";
    }

    fs::path folder_;
    std::string address_, missing_;
    pid_t pid_ = -1;
};

class ClickHouse : public testing::TestWithParam<bool> {
 protected:
    static void TearDownTestSuite() {
        for (auto& s : servers) s.reset();
    }
    void SetUp() override {
        auto& server = servers[GetParam()];
        if (!server) server = std::make_unique<Server>(GetParam());
        if (!server->missing().empty()) GTEST_SKIP() << server->missing();
        options_.server = server->address();
        options_.complain = [this](std::string_view line) { said_.emplace_back(line); };
        options_.table = fmt::format("t{}", ++tables);
        options_.max_age = std::chrono::days(36500);
    }
    std::unique_ptr<History> must_open() {
        auto store = open_clickhouse(options_);
        EXPECT_TRUE(store) << store.error();
        return store ? std::move(*store) : nullptr;
    }

    ClickHouseOptions options_;
    std::vector<std::string> said_;
    static std::unique_ptr<Server> servers[2];
    static int tables;
};
std::unique_ptr<Server> ClickHouse::servers[2];
int ClickHouse::tables = 0;
INSTANTIATE_TEST_SUITE_P(Engines, ClickHouse, testing::Bool(), [](const auto& i) { return i.param ? "chdb" : "debian"; });

TEST_P(ClickHouse, answers_every_question_as_counting_does) {
    auto store = must_open();
    ASSERT_TRUE(store);
    Reference reference;
    Made made;
    const std::string lines = made.lines(0, 900);
    reference.add(lines);
    store->write(lines);
    store->flush();
    ASSERT_EQ(store->stats().written, 900u) << store->stats().last_error;
    EXPECT_EQ(store->stats().records, 900u);
    for (const QueryText& text : questions()) expect_same(*store, reference, text);
}

TEST_P(ClickHouse, makes_its_table_once_and_adds_what_is_new) {
    auto store = must_open();
    ASSERT_TRUE(store);
    Made made;
    store->write(made.lines(0, 3));
    store.reset();
    http::Request request{
        .method = "POST", .target = "/", .headers = {}, .body = "ALTER TABLE cvf." + options_.table + " DROP COLUMN source_port"};
    ASSERT_EQ(http::fetch(options_.server, request)->status, 200u);
    store = must_open();
    ASSERT_TRUE(store);
    store->write(made.lines(3, 6));
    store->flush();
    EXPECT_EQ(store->stats().records, 6u);
    EXPECT_EQ(store->stats().last_error, "");
}

TEST_P(ClickHouse, lets_no_filter_out_of_its_quotes) {
    auto store = must_open();
    ASSERT_TRUE(store);
    Made made;
    store->write(made.lines(0, 50));
    store->flush();
    for (const char* text :
         {R"("x' OR 1 OR '")", R"("\\' OR 1 -- ")", R"("x\\")", R"("\n\t\r\u0001")", R"("'; DROP TABLE cvf.records; --")"}) {
        const std::string t = text;
        for (const std::string& filter : {"source.k8s.pod.name == " + t, "source.k8s.pod.name.contains(" + t + ")",
                                          "source.k8s.pod.name in [" + t + "]", "source.container.label[" + t + "] == " + t}) {
            const auto query = parse_query({.filter = filter, .limit = "0"}, 0);
            ASSERT_TRUE(query) << filter << query.error().show();
            EXPECT_EQ(answer(*store, *query), std::vector<std::string>()) << filter;
        }
    }
    EXPECT_EQ(store->stats().records, 50u);
}

TEST_P(ClickHouse, expires_what_is_too_old) {
    if (std::chrono::system_clock::now().time_since_epoch() < std::chrono::nanoseconds(Made::start) + 96h)
        GTEST_SKIP() << "the clock is before the records";
    options_.max_age = 1h;
    auto store = must_open();
    ASSERT_TRUE(store);
    Made made;
    store->write(made.lines(0, 10));
    store->flush();
    store.reset();
    if (GetParam()) {
        http::Request request{
            .method = "POST", .target = "/", .headers = {}, .body = "OPTIMIZE TABLE cvf." + options_.table + " FINAL"};
        EXPECT_EQ(http::fetch(options_.server, request)->status, 200u);
    }
    store = must_open();
    store->tick();
    EXPECT_EQ(store->stats().records, 0u);
}

TEST(ClickHouseErrors, are_said_and_records_wait_then_are_counted) {
    const auto none = open_clickhouse({.server = fmt::format("http://127.0.0.1:{}", free_port()), .timeout = 500ms});
    ASSERT_FALSE(none);
    EXPECT_NE(none.error().find("127.0.0.1"), std::string::npos) << none.error();
    EXPECT_FALSE(open_clickhouse({.database = "a b; DROP"}));
}

// Answers as a server would until it is told to hang: then it takes connections and says nothing.
class Hanging {
 public:
    Hanging() : port_(free_port()) {
        fd_ = ::socket(AF_INET, SOCK_STREAM, 0);
        sockaddr_in a{};
        a.sin_family = AF_INET;
        a.sin_port = htons(static_cast<uint16_t>(port_));
        a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        const int on = 1;
        ::setsockopt(fd_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        EXPECT_EQ(::bind(fd_, reinterpret_cast<sockaddr*>(&a), sizeof a), 0);
        EXPECT_EQ(::listen(fd_, 16), 0);
        thread_ = std::thread([this] { serve(); });
    }
    ~Hanging() {
        ::shutdown(fd_, SHUT_RDWR);
        thread_.join();
        for (const int fd : held_) ::close(fd);
        ::close(fd_);
    }
    std::string url() const { return fmt::format("http://127.0.0.1:{}", port_); }
    std::atomic<bool> hang{false};

 private:
    void serve() {
        for (int fd; (fd = ::accept(fd_, nullptr, nullptr)) >= 0;) {
            held_.push_back(fd);
            if (hang) continue;
            std::string got;
            char piece[4096];
            while (!got.contains("\r\n\r\n") || got.size() < got.find("\r\n\r\n") + 4 + length(got)) {
                const ssize_t n = ::recv(fd, piece, sizeof piece, 0);
                if (n <= 0) break;
                got.append(piece, static_cast<size_t>(n));
            }
            const std::string body = got.contains("version()") ? "24.8.1.1\n" : "";
            const std::string answer =
                fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{}", body.size(), body);
            EXPECT_EQ(::send(fd, answer.data(), answer.size(), MSG_NOSIGNAL), static_cast<ssize_t>(answer.size()));
            ::shutdown(fd, SHUT_WR);
        }
    }
    static size_t length(const std::string& request) {
        const size_t at = request.find("Content-Length: ");
        return at == request.npos ? 0 : std::stoul(request.substr(at + 16));
    }

    int port_, fd_;
    std::vector<int> held_;
    std::thread thread_;
};

TEST(ClickHouseErrors, a_server_that_hangs_holds_up_neither_the_counters_nor_the_end) {
    Hanging server;
    auto opened = open_clickhouse({.server = server.url(), .complain = [](std::string_view) {}});
    ASSERT_TRUE(opened) << opened.error();
    std::shared_ptr<History> history = std::move(*opened);
    server.hang = true;
    Made made;
    const auto began = std::chrono::steady_clock::now();
    {
        auto sink = sink::make_threaded_sink(make_history_sink(history), {.grace = 300ms});
        sink->write(made.lines(0, 10), 10);
        EXPECT_EQ(sink->stats().records_written, 0u);
        EXPECT_LT(std::chrono::steady_clock::now() - began, 200ms);
        sink->finish();
        EXPECT_EQ(sink->stats().records_lost, 10u);
        EXPECT_EQ(sink->stats().records_overrun, 0u);
    }
    EXPECT_LT(std::chrono::steady_clock::now() - began, 3s);
}

TEST(ClickHouseSchema, gives_every_field_a_column_of_its_own) {
    for (const ServerVersion version : {ServerVersion{18, 16}, ServerVersion{24, 8}}) {
        std::set<std::string> names;
        for (const SqlColumn& c : sql_columns(version)) EXPECT_TRUE(names.insert(c.name).second) << c.name;
        EXPECT_GE(names.size(), record::field_count);
    }
}

TEST(SqlFilter, asks_for_one_outcome_and_leaves_over_what_sql_cannot_say) {
    const auto where = [](const char* filter) {
        const auto query = parse_query({.filter = filter}, 0);
        EXPECT_TRUE(query);
        const SqlFilter sql = sql_filter(*query);
        return fmt::format("{} + {}", sql.where, sql.rest.size());
    };
    EXPECT_EQ(where(""), "1 + 0");
    EXPECT_EQ(where("source.port == 1"), "(isNotNull(source_port) AND ifNull(source_port = 1, 0)) + 0");
    EXPECT_EQ(where("!(source.port == 1)"), "(isNotNull(source_port) AND ifNull(source_port != 1, 0)) + 0");
    EXPECT_EQ(where("event.duration / 2 == 1"), "1 + 1");
    EXPECT_EQ(where("event.duration / 2 == 1 && has(error.type)"), "isNotNull(error_type) + 1");
}

}  // namespace
}  // namespace cvf::history
