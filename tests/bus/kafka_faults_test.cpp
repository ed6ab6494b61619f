// A real Kafka that dies and comes back.
#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>

#include <atomic>
#include <thread>

#include "bus/subjects.h"
#include "watcher.h"

namespace cvf::bus::test {

TEST(KafkaFaults, killed_under_load_nothing_said_delivered_is_missing_and_watches_go_on) {
    if (const std::string why = Kafka::missing(); !why.empty()) GTEST_SKIP() << "SKIP: " << why;
    Kafka broker;
    Settlements settlements;
    Options options;
    options.url = broker.url();
    options.reconnect_wait = std::chrono::milliseconds(100);
    options.partitions = 2;
    auto reading = Bus::connect(options);
    options.on_settled = settlements.handler();
    auto made = Bus::connect(options);
    ASSERT_TRUE(made && reading);
    Bus& bus = **made;
    ASSERT_TRUE(wait_for([&] { return bus.state().connected && (*reading)->state().connected; }, std::chrono::seconds(20)));
    Inbox inbox;
    const std::string subject = subject::records("load", "n");
    auto subscription = (*reading)->subscribe(subject, "history", inbox.handler());
    ASSERT_TRUE(subscription) << subscription.error();
    Diary diary;
    auto watch = (*reading)->watch("b", diary.handler());
    ASSERT_TRUE(bus.put("b", "before", "1"));
    ASSERT_TRUE(wait_for([&] { return diary.value("before") == "1"; }, std::chrono::seconds(20)));

    std::atomic<bool> stop = false;
    std::atomic<size_t> accepted = 0, down = 0;
    std::thread load([&] {
        while (!stop) {
            const std::string payload = std::to_string(accepted + 1);
            Message m;
            m.subject = subject;
            m.payload = payload;
            m.token = accepted + 1;
            m.partition_key = accepted + 1;
            const Accepted a = bus.publish(m);
            accepted += a == Accepted::yes;
            down += a == Accepted::down;
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
    });
    ASSERT_TRUE(wait_for([&] { return settlements.delivered() > 300; }, std::chrono::seconds(20))) << bus.state().last_error;
    broker.kill();
    EXPECT_TRUE(wait_for([&] { return !bus.state().connected; }, std::chrono::seconds(20)));
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    broker.start();
    ASSERT_TRUE(wait_for([&] { return bus.state().connected; }, std::chrono::seconds(40))) << bus.state().last_error;
    const size_t before = settlements.delivered();
    EXPECT_TRUE(wait_for([&] { return settlements.delivered() > before + 300; }, std::chrono::seconds(40)))
        << bus.state().last_error;
    stop = true;
    load.join();
    EXPECT_GT(down, 0u);
    EXPECT_TRUE(bus.drain(std::chrono::seconds(40)));
    EXPECT_TRUE(settlements.each_once(accepted)) << settlements.delivered() << " " << settlements.undelivered();

    std::expected<uint64_t, std::string> put = 0;
    ASSERT_TRUE(wait_for([&] { return (put = bus.put("b", "after", "2")).has_value(); }, std::chrono::seconds(30)))
        << put.error();
    EXPECT_TRUE(wait_for([&] { return diary.value("after") == "2"; }, std::chrono::seconds(30)))
        << (*reading)->state().last_error;
    const auto missing = [&] {
        const auto got = inbox.payloads();
        size_t out = 0;
        for (uint64_t token : settlements.delivered_tokens()) out += !got.contains(std::to_string(token));
        return out;
    };
    EXPECT_TRUE(wait_for([&] { return missing() == 0; }, std::chrono::seconds(40)))
        << missing() << " of " << settlements.delivered();
}

TEST(KafkaFaults, a_topic_that_was_deleted_and_made_again_is_followed) {
    if (const std::string why = Kafka::missing(); !why.empty()) GTEST_SKIP() << "SKIP: " << why;
    Kafka broker;
    Options options;
    options.url = broker.url();
    auto made = Bus::connect(options);
    ASSERT_TRUE(made);
    Bus& bus = **made;
    ASSERT_TRUE(wait_for([&] { return bus.state().connected; }, std::chrono::seconds(20)));
    Diary diary;
    ASSERT_TRUE(bus.put("b", "old", "1"));
    auto watch = bus.watch("b", diary.handler());
    ASSERT_TRUE(wait_for([&] { return diary.value("old") == "1"; }, std::chrono::seconds(20)));

    char error[256];
    rd_kafka_conf_t* config = rd_kafka_conf_new();
    rd_kafka_conf_set(config, "bootstrap.servers", broker.url().substr(8).c_str(), error, sizeof error);
    rd_kafka_t* admin = rd_kafka_new(RD_KAFKA_PRODUCER, config, error, sizeof error);
    rd_kafka_queue_t* queue = rd_kafka_queue_new(admin);
    rd_kafka_DeleteTopic_t* topic = rd_kafka_DeleteTopic_new("b");
    rd_kafka_DeleteTopics(admin, &topic, 1, nullptr, queue);
    rd_kafka_event_t* event = rd_kafka_queue_poll(queue, 20000);
    ASSERT_TRUE(event);
    EXPECT_EQ(rd_kafka_event_error(event), RD_KAFKA_RESP_ERR_NO_ERROR) << rd_kafka_event_error_string(event);
    rd_kafka_event_destroy(event);
    rd_kafka_DeleteTopic_destroy(topic);
    rd_kafka_queue_destroy(queue);
    rd_kafka_destroy(admin);

    EXPECT_TRUE(wait_for([&] { return diary.has("old removed"); }, std::chrono::seconds(40))) << bus.state().last_error;
    std::expected<uint64_t, std::string> put = 0;
    ASSERT_TRUE(wait_for([&] { return (put = bus.put("b", "new", "2")).has_value(); }, std::chrono::seconds(40))) << put.error();
    EXPECT_TRUE(wait_for([&] { return diary.value("new") == "2"; }, std::chrono::seconds(40))) << bus.state().last_error;
}

}  // namespace cvf::bus::test
