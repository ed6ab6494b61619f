// Three NATS servers, one of them killed.
#include <gtest/gtest.h>
#include <nats/nats.h>

#include <atomic>
#include <thread>

#include "bus/subjects.h"
#include "watcher.h"

namespace cvf::bus::test {

TEST(NatsCluster, one_of_three_servers_dies_and_nothing_durable_is_lost) {
    if (!Nats::installed()) GTEST_SKIP() << "SKIP: no nats-server here";
    int ports[3], routes[3];
    for (int i = 0; i < 3; i++) ports[i] = free_port(), routes[i] = free_port();
    std::vector<std::unique_ptr<Nats>> servers;
    for (int i = 0; i < 3; i++) {
        std::string config =
            fmt::format("server_name: \"s{}\"\ncluster {{ name: \"c\", listen: \"127.0.0.1:{}\", routes: [", i, routes[i]);
        for (int j = 0; j < 3; j++) config += fmt::format("{}\"nats-route://127.0.0.1:{}\"", j == 0 ? "" : ", ", routes[j]);
        servers.push_back(std::make_unique<Nats>(NatsOptions{.jetstream = true, .config = config + "] }"}, ports[i]));
    }
    Settlements settlements;
    Options options;
    options.url = fmt::format("nats://127.0.0.1:{},127.0.0.1:{},127.0.0.1:{}", ports[0], ports[1], ports[2]);
    options.reconnect_wait = std::chrono::milliseconds(50);
    auto watching = Bus::connect(options);
    options.on_settled = settlements.handler();
    auto bus = Bus::connect(options);
    ASSERT_TRUE(bus && watching);

    // The cluster needs a while to choose its leader.
    ASSERT_TRUE(wait_for([&] { return (*bus)->put("b", "first", "1").has_value(); }, std::chrono::seconds(40)))
        << (*bus)->state().last_error;
    Diary diary;
    auto watch = (*watching)->watch("b", diary.handler());
    ASSERT_TRUE(wait_for([&] { return diary.value("first") == "1"; }, std::chrono::seconds(20)));

    std::atomic<bool> stop = false;
    std::atomic<uint64_t> accepted = 0;
    std::thread load([&] {
        const std::string subject = subject::status("n");
        while (!stop) {
            const std::string payload = std::to_string(accepted + 1);
            Message m;
            m.subject = subject;
            m.payload = payload;
            m.token = accepted + 1;
            m.durable = true;
            if ((*bus)->publish(m) == Accepted::yes) accepted++;
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
    });
    ASSERT_TRUE(wait_for([&] { return settlements.delivered() > 100; }, std::chrono::seconds(20))) << (*bus)->state().last_error;

    // The one that the publisher is connected to; the leaders of stream and bucket may be elsewhere, or there.
    size_t dead = 0;
    const std::string server = (*bus)->state().server;
    while (dead < 2 && server.find(std::to_string(ports[dead])) == std::string::npos) dead++;
    servers[dead]->kill();
    const size_t before = settlements.delivered();
    ASSERT_TRUE(wait_for([&] { return settlements.delivered() > before + 300; }, std::chrono::seconds(40)))
        << settlements.delivered() - before << " " << (*bus)->state().last_error;
    std::expected<uint64_t, std::string> put = 0;
    ASSERT_TRUE(wait_for([&] { return (put = (*bus)->put("b", "second", "2")).has_value(); }, std::chrono::seconds(30)))
        << put.error();
    ASSERT_TRUE(wait_for([&] { return diary.value("second") == "2"; }, std::chrono::seconds(30)))
        << (*watching)->state().last_error;
    const auto lines = diary.lines();
    EXPECT_EQ(std::count(lines.begin(), lines.end(), "first=1"), 1);
    stop = true;
    load.join();
    EXPECT_TRUE((*bus)->drain(std::chrono::seconds(20)));
    EXPECT_TRUE(settlements.each_once(accepted));

    natsConnection* nc = nullptr;
    jsCtx* js = nullptr;
    jsStreamInfo* info = nullptr;
    ASSERT_EQ(natsConnection_ConnectTo(&nc, servers[dead == 0 ? 1 : 0]->url().c_str()), NATS_OK);
    ASSERT_EQ(natsConnection_JetStream(&js, nc, nullptr), NATS_OK);
    ASSERT_EQ(js_GetStreamInfo(&info, js, "cvf-status", nullptr, nullptr), NATS_OK);
    EXPECT_EQ(info->Config->Replicas, 3);
    std::map<std::string, int> kept;
    for (uint64_t sequence = info->State.FirstSeq; sequence <= info->State.LastSeq; sequence++) {
        natsMsg* m = nullptr;
        if (js_GetMsg(&m, js, "cvf-status", sequence, nullptr, nullptr) != NATS_OK) continue;
        kept[std::string(natsMsg_GetData(m), static_cast<size_t>(natsMsg_GetDataLength(m)))]++;
        natsMsg_Destroy(m);
    }
    size_t missing = 0;
    for (uint64_t token : settlements.delivered_tokens()) missing += !kept.contains(std::to_string(token));
    EXPECT_EQ(missing, 0u);
    jsStreamInfo_Destroy(info);
    jsCtx_Destroy(js);
    natsConnection_Destroy(nc);
}

}  // namespace cvf::bus::test
