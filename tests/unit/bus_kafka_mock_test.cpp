// The contract, asked of Kafka's bus against the library's own mock of a cluster; and what brokers do wrong.
#include <librdkafka/rdkafka.h>
// After it:
#include <librdkafka/rdkafka_mock.h>

#include "../bus/contract.h"
#include "bus/kafka_topics.h"

namespace cvf::bus::test {

namespace {

// Three brokers in this process. The mock makes no topics on request (the bus then leaves that to the brokers) and never
// compacts.
class MockCluster {
 public:
    explicit MockCluster(int brokers = 3) {
        char error[256];
        rd_kafka_conf_t* config = rd_kafka_conf_new();
        rd_kafka_conf_set_log_cb(config, [](const rd_kafka_t*, int, const char*, const char*) {});
        client_ = rd_kafka_new(RD_KAFKA_PRODUCER, config, error, sizeof error);
        cluster_ = rd_kafka_mock_cluster_new(client_, brokers);
    }
    ~MockCluster() {
        rd_kafka_mock_cluster_destroy(cluster_);
        rd_kafka_destroy(client_);
    }
    std::string url() const { return std::string("kafka://") + rd_kafka_mock_cluster_bootstraps(cluster_); }
    rd_kafka_mock_cluster_t* operator*() const { return cluster_; }

 private:
    rd_kafka_t* client_;
    rd_kafka_mock_cluster_t* cluster_;
};

std::string shared_mock() {
    static MockCluster cluster;
    return cluster.url();
}

}  // namespace

INSTANTIATE_TEST_SUITE_P(KafkaMock, Contract,
                         testing::Values(Place{"kafka_mock", shared_mock, "", {}, false, std::chrono::seconds(20)}),
                         [](const auto& i) { return i.param.name; });

namespace {

std::unique_ptr<Bus> connect(const MockCluster& cluster, Settlements& settlements) {
    Options options;
    options.url = cluster.url();
    options.reconnect_wait = std::chrono::milliseconds(50);
    options.on_settled = settlements.handler();
    auto bus = Bus::connect(options);
    EXPECT_TRUE(bus) << bus.error();
    EXPECT_TRUE(wait_for([&] { return (*bus)->state().connected; }));
    return std::move(*bus);
}

void publish(Bus& bus, uint64_t from, uint64_t to) {
    const std::string subject = subject::records("fault", "n");
    for (uint64_t token = from; token <= to; token++) {
        Message m = text(subject, "x", token);
        m.partition_key = token;
        insist(bus, m);
    }
}

}  // namespace

TEST(KafkaMock, passing_errors_of_brokers_cost_no_message) {
    MockCluster cluster;
    Settlements settlements;
    auto bus = connect(cluster, settlements);
    publish(*bus, 1, 10);
    ASSERT_TRUE(bus->drain(std::chrono::seconds(20)));
    constexpr int16_t produce = 0;
    const rd_kafka_resp_err_t errors[] = {RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
                                          RD_KAFKA_RESP_ERR__TRANSPORT, RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
                                          RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND};
    rd_kafka_mock_push_request_errors_array(*cluster, produce, std::size(errors), errors);
    publish(*bus, 11, 200);
    ASSERT_TRUE(bus->drain(std::chrono::seconds(30)));
    EXPECT_TRUE(settlements.each_once(200));
    EXPECT_EQ(settlements.delivered(), 200u) << bus->state().last_error;
}

TEST(KafkaMock, a_lasting_error_is_settled_as_not_delivered_with_its_reason) {
    MockCluster cluster;
    Settlements settlements;
    auto bus = connect(cluster, settlements);
    publish(*bus, 1, 1);
    ASSERT_TRUE(bus->drain(std::chrono::seconds(20)));
    constexpr int16_t produce = 0;
    const std::vector<rd_kafka_resp_err_t> errors(100, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    rd_kafka_mock_push_request_errors_array(*cluster, produce, errors.size(), errors.data());
    publish(*bus, 2, 5);
    ASSERT_TRUE(bus->drain(std::chrono::seconds(30)));
    EXPECT_TRUE(settlements.each_once(5));
    EXPECT_EQ(settlements.undelivered(), 4u);
    EXPECT_NE(bus->state().last_error.find("uthoriz"), std::string::npos) << bus->state().last_error;
}

TEST(KafkaMock, a_broker_that_is_down_is_noticed_and_found_again) {
    MockCluster cluster(1);
    Settlements settlements;
    auto bus = connect(cluster, settlements);
    publish(*bus, 1, 10);
    ASSERT_TRUE(bus->drain(std::chrono::seconds(20)));
    rd_kafka_mock_broker_set_down(*cluster, 1);
    ASSERT_TRUE(wait_for([&] { return !bus->state().connected; }, std::chrono::seconds(20)));
    const std::string subject = subject::status("n");
    EXPECT_EQ(bus->publish(text(subject, "x")), Accepted::down);
    rd_kafka_mock_broker_set_up(*cluster, 1);
    ASSERT_TRUE(wait_for([&] { return bus->state().connected; }, std::chrono::seconds(20))) << bus->state().last_error;
    publish(*bus, 11, 20);
    ASSERT_TRUE(bus->drain(std::chrono::seconds(20)));
    EXPECT_EQ(settlements.delivered(), 20u);
    EXPECT_EQ(bus->state().reconnects, 1u);
}

TEST(KafkaMock, while_brokers_do_not_answer_the_bound_holds_and_all_is_settled_in_the_end) {
    MockCluster cluster(1);
    Settlements settlements;
    Options options;
    options.url = cluster.url();
    options.pending_bytes = 256 * 1024;
    options.on_settled = settlements.handler();
    auto made = Bus::connect(options);
    ASSERT_TRUE(made);
    Bus& bus = **made;
    ASSERT_TRUE(wait_for([&] { return bus.state().connected; }));
    const std::string subject = subject::records("bound", "n"), payload(10'000, 'x');
    insist(bus, text(subject, payload, 1));
    ASSERT_TRUE(bus.drain(std::chrono::seconds(20)));
    rd_kafka_mock_broker_set_rtt(*cluster, 1, 60'000);
    uint64_t token = 1;
    Accepted last = Accepted::yes;
    while (token < 1000 && (last = bus.publish(text(subject, payload, token + 1))) == Accepted::yes) token++;
    EXPECT_EQ(last, Accepted::full);
    EXPECT_LE(bus.state().pending_bytes, 256u * 1024);
    EXPECT_LT(token, 30u);
    EXPECT_TRUE(bus.drain(std::chrono::seconds(40)));
    EXPECT_TRUE(settlements.each_once(token));
    EXPECT_GT(settlements.undelivered(), 0u);
}

TEST(KafkaTopics, what_could_not_be_made_a_moment_ago_is_not_asked_again_at_once) {
    char error[256];
    rd_kafka_conf_t* config = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(config, [](const rd_kafka_t*, int, const char*, const char*) {});
    rd_kafka_conf_set(config, "bootstrap.servers", ("127.0.0.1:" + std::to_string(free_port())).c_str(), error, sizeof error);
    rd_kafka_t* client = rd_kafka_new(RD_KAFKA_PRODUCER, config, error, sizeof error);
    ASSERT_NE(client, nullptr) << error;
    KafkaTopics topics(1, 1);
    const auto ensure = [&] { return topics.ensure(client, "t", KafkaTopics::Kind::stream, std::chrono::milliseconds(200)); };
    using Clock = std::chrono::steady_clock;
    const std::string why = ensure();
    EXPECT_NE(why, "");
    auto began = Clock::now();
    for (int i = 0; i < 20; i++) EXPECT_EQ(ensure(), why);
    EXPECT_LT(Clock::now() - began, std::chrono::milliseconds(100));
    std::this_thread::sleep_for(std::chrono::milliseconds(1100));
    began = Clock::now();
    EXPECT_NE(ensure(), "");
    EXPECT_GT(Clock::now() - began, std::chrono::milliseconds(100)) << "then it is asked";
    rd_kafka_destroy(client);
}

}  // namespace cvf::bus::test
