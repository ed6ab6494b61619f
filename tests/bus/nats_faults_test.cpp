// NATS that dies, comes back, is slow, or is not there.
#include <gtest/gtest.h>
#include <nats/nats.h>

#include <atomic>
#include <thread>

#include "bus/subjects.h"
#include "watcher.h"

namespace cvf::bus::test {

namespace {

#define NEEDS_NATS() \
    if (!Nats::installed()) GTEST_SKIP() << "SKIP: no nats-server here"

Options options(const std::string& url, Settlements* settlements = nullptr) {
    Options o;
    o.url = url;
    o.reconnect_wait = std::chrono::milliseconds(50);
    if (settlements) o.on_settled = settlements->handler();
    return o;
}

std::unique_ptr<Bus> connect(Options o) {
    auto bus = Bus::connect(std::move(o));
    EXPECT_TRUE(bus) << bus.error();
    return bus ? std::move(*bus) : nullptr;
}

bool connected(const Bus& bus) {
    return wait_for([&] { return bus.state().connected; }, std::chrono::seconds(20));
}

Message message(const std::string& subject, std::string_view payload, uint64_t token = 0, bool durable = false) {
    Message m;
    m.subject = subject;
    m.payload = payload;
    m.token = token;
    m.durable = durable;
    return m;
}

// Publishes numbered messages from a thread until told to end; each one until it is accepted.
class Load {
 public:
    Load(Bus& bus, bool durable) : bus_(bus), durable_(durable), thread_([this] { run(); }) {}
    ~Load() { end(); }
    void end() {
        stop_ = true;
        if (thread_.joinable()) thread_.join();
    }
    size_t published() const { return published_; }
    size_t refused_while_down() const { return down_; }

 private:
    void run() {
        const std::string subject = subject::records("load", "n");
        while (!stop_) {
            const std::string payload = std::to_string(published_ + 1);
            std::string first = payload;
            const Header headers[] = {{header::agent, "n/1"}, {header::first, first}};
            Message m = message(subject, payload, published_ + 1, durable_);
            m.headers = headers;
            switch (bus_.publish(m)) {
                case Accepted::yes:
                    published_++;
                    break;
                case Accepted::down:
                    down_++;
                    [[fallthrough]];
                default:
                    std::this_thread::sleep_for(std::chrono::milliseconds(1));
            }
            if (published_ % 50 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
    }
    Bus& bus_;
    const bool durable_;
    std::atomic<bool> stop_ = false;
    std::atomic<size_t> published_ = 0, down_ = 0;
    std::thread thread_;
};

}  // namespace

TEST(NatsFaults, a_server_that_is_not_there_is_a_state_and_is_found_when_it_comes) {
    NEEDS_NATS();
    const int port = free_port();
    const auto began = std::chrono::steady_clock::now();
    auto bus = connect(options("nats://127.0.0.1:" + std::to_string(port)));
    EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(2));
    EXPECT_FALSE(bus->state().connected);
    EXPECT_TRUE(wait_for([&] { return bus->state().last_error.find(std::to_string(port)) != std::string::npos; }))
        << bus->state().last_error;
    EXPECT_EQ(bus->publish(message("cvf.v1.directives", "x")), Accepted::down);
    Inbox inbox;
    auto subscription = bus->subscribe("cvf.v1.directives", "", inbox.handler());
    ASSERT_TRUE(subscription);
    Diary diary;
    auto watch = bus->watch("later", diary.handler());
    ASSERT_TRUE(watch);

    Nats server({}, port);
    ASSERT_TRUE(connected(*bus)) << bus->state().last_error;
    EXPECT_EQ(bus->state().reconnects, 0u);
    ASSERT_TRUE(wait_for([&] {
        bus->publish(message("cvf.v1.directives", "x"));
        return inbox.size() > 0;
    }));
    ASSERT_TRUE(wait_for([&] { return diary.has("caught up"); }));
}

TEST(NatsFaults, killed_under_load_each_message_is_settled_once_and_nothing_is_held) {
    NEEDS_NATS();
    Nats server;
    Settlements settlements;
    std::atomic<int> ups = 0, downs = 0;
    Options o = options(server.url(), &settlements);
    o.on_state = [&](bool up) { (up ? ups : downs)++; };
    auto bus = connect(o);
    ASSERT_TRUE(connected(*bus));
    Load load(*bus, false);
    for (int round = 0; round < 3; round++) {
        std::this_thread::sleep_for(std::chrono::milliseconds(150));
        server.kill();
        ASSERT_TRUE(wait_for([&] { return !bus->state().connected; }));
        // Nothing is held while it is away, whatever was under way.
        ASSERT_TRUE(wait_for([&] { return bus->state().pending_messages == 0; }));
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
        server.start();
        ASSERT_TRUE(connected(*bus)) << bus->state().last_error;
    }
    load.end();
    EXPECT_TRUE(bus->drain(std::chrono::seconds(10)));
    EXPECT_TRUE(settlements.each_once(load.published())) << settlements.delivered() << " " << settlements.undelivered();
    EXPECT_GT(settlements.delivered(), 100u);
    EXPECT_GT(load.refused_while_down(), 0u);
    EXPECT_EQ(bus->state().reconnects, 3u);
    EXPECT_EQ(ups, 4);
    EXPECT_EQ(downs, 3);
}

TEST(NatsFaults, killed_under_load_every_durable_message_said_delivered_is_in_the_stream) {
    NEEDS_NATS();
    Nats server;
    Settlements settlements;
    auto bus = connect(options(server.url(), &settlements));
    ASSERT_TRUE(connected(*bus));
    Load load(*bus, true);
    for (int round = 0; round < 2; round++) {
        std::this_thread::sleep_for(std::chrono::milliseconds(300));
        server.kill();
        ASSERT_TRUE(wait_for([&] { return !bus->state().connected; }));
        server.start();
        ASSERT_TRUE(connected(*bus)) << bus->state().last_error;
    }
    ASSERT_TRUE(wait_for([&] { return settlements.delivered() > 200; })) << bus->state().last_error;
    load.end();
    EXPECT_TRUE(bus->drain(std::chrono::seconds(15)));
    EXPECT_TRUE(settlements.each_once(load.published()));

    // Read back what the stream kept, by the library's own means.
    natsConnection* nc = nullptr;
    jsCtx* js = nullptr;
    ASSERT_EQ(natsConnection_ConnectTo(&nc, server.url().c_str()), NATS_OK);
    ASSERT_EQ(natsConnection_JetStream(&js, nc, nullptr), NATS_OK);
    jsStreamInfo* info = nullptr;
    ASSERT_EQ(js_GetStreamInfo(&info, js, "cvf-records", nullptr, nullptr), NATS_OK);
    std::map<std::string, int> kept;
    for (uint64_t sequence = info->State.FirstSeq; sequence <= info->State.LastSeq; sequence++) {
        natsMsg* m = nullptr;
        if (js_GetMsg(&m, js, "cvf-records", sequence, nullptr, nullptr) != NATS_OK) continue;
        kept[std::string(natsMsg_GetData(m), static_cast<size_t>(natsMsg_GetDataLength(m)))]++;
        natsMsg_Destroy(m);
    }
    for (uint64_t token : settlements.delivered_tokens()) EXPECT_TRUE(kept.contains(std::to_string(token))) << token;
    jsStreamInfo_Destroy(info);
    jsCtx_Destroy(js);
    natsConnection_Destroy(nc);
}

TEST(NatsFaults, a_durable_message_sent_twice_is_kept_once) {
    NEEDS_NATS();
    Nats server;
    Settlements settlements;
    auto bus = connect(options(server.url(), &settlements));
    ASSERT_TRUE(connected(*bus));
    const Header headers[] = {{header::agent, "n/1"}, {header::first, "17"}};
    const std::string subject = subject::records("dns", "n");
    for (uint64_t token = 1; token <= 2; token++) {
        Message m = message(subject, "x", token, true);
        m.headers = headers;
        ASSERT_EQ(bus->publish(m), Accepted::yes);
    }
    ASSERT_TRUE(bus->drain(std::chrono::seconds(10)));
    EXPECT_EQ(settlements.delivered(), 2u);
    natsConnection* nc = nullptr;
    jsCtx* js = nullptr;
    jsStreamInfo* info = nullptr;
    ASSERT_EQ(natsConnection_ConnectTo(&nc, server.url().c_str()), NATS_OK);
    ASSERT_EQ(natsConnection_JetStream(&js, nc, nullptr), NATS_OK);
    ASSERT_EQ(js_GetStreamInfo(&info, js, "cvf-records", nullptr, nullptr), NATS_OK);
    EXPECT_EQ(info->State.Msgs, 1u);
    jsStreamInfo_Destroy(info);
    jsCtx_Destroy(js);
    natsConnection_Destroy(nc);
}

TEST(NatsFaults, a_queue_of_directives_gets_what_came_while_it_was_away) {
    NEEDS_NATS();
    Nats server;
    auto bus = connect(options(server.url()));
    ASSERT_TRUE(connected(*bus));
    std::mutex mutex;
    std::vector<std::string> seen;
    bool refuse = false;
    const auto subscribe = [&] {
        auto made = bus->subscribe(subject::directives, "controllers", [&](const Message& m) {
            const std::lock_guard lock(mutex);
            if (refuse) {
                *m.untaken = true;
                refuse = false;
            } else {
                seen.emplace_back(m.payload);
            }
        });
        EXPECT_TRUE(made) << made.error();
        return std::move(*made);
    };
    const auto seen_now = [&] {
        const std::lock_guard lock(mutex);
        return seen;
    };
    const auto publish = [&](std::string_view text) {
        ASSERT_EQ(bus->publish(message(std::string(subject::directives), text)), Accepted::yes);  // not even as durable
        ASSERT_TRUE(bus->drain(std::chrono::seconds(10)));
    };
    auto there = subscribe();
    publish("1");
    ASSERT_TRUE(wait_for([&] { return seen_now().size() == 1; }, std::chrono::seconds(10)));
    there.reset();
    publish("2");
    publish("3");
    there = subscribe();
    ASSERT_TRUE(wait_for([&] { return seen_now().size() >= 3; }, std::chrono::seconds(10)));
    EXPECT_EQ(seen_now(), (std::vector<std::string>{"1", "2", "3"}));
    // One that the handler can't take comes again.
    {
        const std::lock_guard lock(mutex);
        refuse = true;
    }
    publish("4");
    ASSERT_TRUE(wait_for([&] { return seen_now().size() >= 4; }, std::chrono::seconds(10)));
    EXPECT_EQ(seen_now().back(), "4");
}

TEST(NatsFaults, without_jetstream_durable_messages_and_documents_fail_with_a_reason_and_plain_ones_pass) {
    NEEDS_NATS();
    Nats server({.jetstream = false, .config = {}});
    Settlements settlements;
    auto bus = connect(options(server.url(), &settlements));
    ASSERT_TRUE(connected(*bus));
    ASSERT_EQ(bus->publish(message("cvf.v1.directives", "x", 1)), Accepted::yes);
    ASSERT_EQ(bus->publish(message("cvf.v1.directives", "x", 2, true)), Accepted::yes);
    ASSERT_TRUE(bus->drain(std::chrono::seconds(10)));
    EXPECT_EQ(settlements.delivered(), 1u);
    EXPECT_EQ(settlements.undelivered(), 1u);
    EXPECT_NE(bus->state().last_error.find("JetStream"), std::string::npos) << bus->state().last_error;
    const auto put = bus->put("b", "k", "v");
    ASSERT_FALSE(put);
    EXPECT_NE(put.error().find("nats-server -js"), std::string::npos) << put.error();
}

TEST(NatsFaults, a_watch_goes_on_over_a_restart_and_tells_what_changed_meanwhile) {
    NEEDS_NATS();
    Nats server;
    auto watcher = connect(options(server.url()));
    ASSERT_TRUE(connected(*watcher));
    ASSERT_TRUE(watcher->put("b", "stays", "1"));
    ASSERT_TRUE(watcher->put("b", "goes", "1"));
    Diary diary;
    auto watch = watcher->watch("b", diary.handler());
    ASSERT_TRUE(wait_for([&] { return diary.has("caught up"); }));
    server.kill();
    ASSERT_TRUE(wait_for([&] { return !watcher->state().connected; }));
    // A short while in which only another writer is connected: the watcher's address is that of a server which is not there yet.
    server.start();
    auto writer = connect(options(server.url()));
    ASSERT_TRUE(connected(*writer));
    ASSERT_TRUE(writer->put("b", "new", "2"));
    ASSERT_TRUE(writer->remove("b", "goes"));
    ASSERT_TRUE(wait_for([&] { return diary.value("new") == "2" && diary.has("goes removed"); }, std::chrono::seconds(20)))
        << watcher->state().last_error;
    const auto lines = diary.lines();
    EXPECT_EQ(std::count(lines.begin(), lines.end(), "caught up"), 1);
    EXPECT_EQ(std::count(lines.begin(), lines.end(), "stays=1"), 1) << "what did not change is not told again";
}

TEST(NatsFaults, a_bucket_that_was_deleted_and_made_again_is_followed) {
    NEEDS_NATS();
    Nats server;
    auto bus = connect(options(server.url()));
    ASSERT_TRUE(connected(*bus));
    ASSERT_TRUE(bus->put("b", "old", "1"));
    Diary diary;
    auto watch = bus->watch("b", diary.handler());
    ASSERT_TRUE(wait_for([&] { return diary.value("old") == "1"; }));
    natsConnection* nc = nullptr;
    jsCtx* js = nullptr;
    ASSERT_EQ(natsConnection_ConnectTo(&nc, server.url().c_str()), NATS_OK);
    ASSERT_EQ(natsConnection_JetStream(&js, nc, nullptr), NATS_OK);
    ASSERT_EQ(js_DeleteKeyValue(js, "b"), NATS_OK);
    jsCtx_Destroy(js);
    natsConnection_Destroy(nc);
    const auto put = bus->put("b", "new", "2");
    ASSERT_TRUE(put) << put.error();
    EXPECT_TRUE(wait_for([&] { return diary.value("new") == "2" && diary.has("old removed"); }, std::chrono::seconds(20)));
}

TEST(NatsFaults, put_waits_for_a_server_that_restarts_and_fails_in_time_when_it_does_not) {
    NEEDS_NATS();
    Nats server;
    auto bus = connect(options(server.url()));
    ASSERT_TRUE(connected(*bus));
    server.kill();
    const auto began = std::chrono::steady_clock::now();
    EXPECT_FALSE(bus->put("b", "k", "v"));
    const auto took = std::chrono::steady_clock::now() - began;
    EXPECT_LT(took, Bus::timeout + std::chrono::seconds(3));
    std::expected<uint64_t, std::string> put = 0;
    std::thread putting([&] { put = bus->put("b", "k", "v"); });
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    server.start();
    putting.join();
    EXPECT_TRUE(put) << put.error();
}

TEST(NatsFaults, a_server_that_stops_answering_is_given_up_and_bounds_hold) {
    NEEDS_NATS();
    Nats server;
    Settlements settlements;
    Options o = options(server.url(), &settlements);
    o.pending_bytes = 4 << 20;
    auto bus = connect(o);
    ASSERT_TRUE(connected(*bus));
    server.process().signal(SIGSTOP);  // half open: the kernel still takes the bytes
    const std::string payload(32'000, 'x'), subject = subject::records("big", "n");
    size_t accepted = 0;
    bool full = false;
    ASSERT_TRUE(wait_for([&] {
        const auto began = std::chrono::steady_clock::now();
        const Accepted a = bus->publish(message(subject, payload, accepted + 1));
        EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::milliseconds(500)) << "publish() waited for the network";
        accepted += a == Accepted::yes;
        full |= a == Accepted::full;
        return full;
    }));
    EXPECT_LE(bus->state().pending_bytes, size_t{4} << 20);
    EXPECT_TRUE(wait_for([&] { return !bus->state().connected; }, std::chrono::seconds(20)));
    EXPECT_TRUE(wait_for([&] { return bus->state().pending_messages == 0; }));
    server.process().signal(SIGCONT);
    ASSERT_TRUE(connected(*bus)) << bus->state().last_error;
    EXPECT_TRUE(settlements.each_once(accepted));
}

TEST(NatsFaults, a_slow_handler_sheds_and_the_shed_are_counted) {
    NEEDS_NATS();
    Nats server;
    Settlements settlements;
    auto bus = connect(options(server.url(), &settlements)), slow = connect(options(server.url()));
    ASSERT_TRUE(connected(*bus) && connected(*slow));
    std::atomic<bool> hold = true;
    std::atomic<size_t> handled = 0;
    auto subscription = slow->subscribe("cvf.v1.records.>", "", [&](const Message&) {
        while (hold) std::this_thread::sleep_for(std::chrono::milliseconds(1));
        handled++;
    });
    const std::string payload(500'000, 'x'), subject = subject::records("big", "n");
    constexpr size_t count = 300;  // 150 MB, more than may wait
    for (uint64_t token = 1; token <= count; token++) {
        ASSERT_TRUE(wait_for([&] { return bus->publish(message(subject, payload, token)) == Accepted::yes; }));
    }
    ASSERT_TRUE(bus->drain(std::chrono::seconds(20)));
    hold = false;
    EXPECT_TRUE(wait_for([&] { return handled + slow->state().dropped == count; }, std::chrono::seconds(20)))
        << handled << " handled, " << slow->state().dropped << " dropped";
    EXPECT_GT(slow->state().dropped, 0u);
}

TEST(NatsFaults, a_server_that_goes_away_politely_costs_no_message) {
    NEEDS_NATS();
    // Lame duck: the server asks its clients to leave, then closes.
    const NatsOptions polite{.jetstream = false, .config = "lame_duck_duration: \"30s\"\nlame_duck_grace_period: \"1s\"\n"};
    Nats first(polite), second(polite);
    Settlements settlements;
    Options o = options(first.url() + "," + second.url().substr(7), &settlements);
    auto bus = connect(o);
    ASSERT_TRUE(connected(*bus));
    Nats& left = bus->state().server.find(std::to_string(first.port())) != std::string::npos ? first : second;
    Nats& stays = &left == &first ? second : first;
    Load load(*bus, false);
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    left.process().signal(SIGUSR2);
    ASSERT_TRUE(wait_for([&] { return bus->state().server.find(std::to_string(stays.port())) != std::string::npos; },
                         std::chrono::seconds(20)))
        << bus->state().server << " " << bus->state().last_error;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    load.end();
    EXPECT_TRUE(bus->drain(std::chrono::seconds(10)));
    EXPECT_TRUE(settlements.each_once(load.published()));
    EXPECT_EQ(settlements.undelivered(), 0u);
}

}  // namespace cvf::bus::test
