// The contract, asked of a real Kafka, with each compression.
#include <fstream>

#include "contract.h"

namespace cvf::bus::test {

namespace {

std::string shared_kafka() {
    static const std::unique_ptr<Kafka> broker = Kafka::missing().empty() ? std::make_unique<Kafka>() : nullptr;
    return broker ? broker->url() : std::string();
}

}  // namespace

INSTANTIATE_TEST_SUITE_P(Kafka, Contract,
                         testing::Values(Place{"kafka",
                                               shared_kafka,
                                               "no Apache Kafka to be had (tests/bus/fetch-kafka says why)",
                                               {},
                                               false,
                                               std::chrono::seconds(30)}),
                         [](const auto& i) { return i.param.name; });

class KafkaCompression : public testing::TestWithParam<const char*> {};

TEST_P(KafkaCompression, batches_arrive_whole) {
    const std::string url = shared_kafka();
    if (url.empty()) GTEST_SKIP() << "SKIP: no Apache Kafka to be had (tests/bus/fetch-kafka says why)";
    Settlements settlements;
    Inbox inbox;
    Options options;
    options.url = url;
    options.compression = GetParam();
    options.on_settled = settlements.handler();
    auto bus = Bus::connect(options);
    ASSERT_TRUE(bus) << bus.error();
    ASSERT_TRUE(wait_for([&] { return (*bus)->state().connected; }));
    const std::string subject = subject::records(std::string("compressed-") + GetParam(), "node-1");
    auto subscription = (*bus)->subscribe(subject, "", inbox.handler());
    ASSERT_TRUE(subscription) << subscription.error();
    std::string batch;
    while (batch.size() < 32'000)
        batch += R"({"record.type":"dns","flow.id":"0123456789abcdef","dns.question.name":"example.org"})"
                 "\n";
    for (uint64_t token = 1; token <= 100; token++) {
        Message m = text(subject, batch, token);
        m.partition_key = token;
        insist(**bus, m);
    }
    ASSERT_TRUE((*bus)->drain(std::chrono::seconds(30)));
    EXPECT_EQ(settlements.delivered(), 100u) << (*bus)->state().last_error;
    ASSERT_TRUE(wait_for([&] { return inbox.size() == 100; }, std::chrono::seconds(30))) << inbox.size();
    EXPECT_EQ(inbox.payloads(), (std::map<std::string, int>{{batch, 100}}));

    // Somebody else's consumer reads it too, with the node in a header.
    if (find_program("kcat").empty()) return;
    const Folder folder;
    const std::string topic = "cvf.v1.records.compressed-" + std::string(GetParam());
    Process kcat({"kcat", "-C", "-q", "-b", url.substr(8), "-t", topic, "-e", "-o", "beginning", "-f", "%h %k %S\n"},
                 folder / "out");
    ASSERT_TRUE(wait_for([&] { return !kcat.running(); }, std::chrono::seconds(30)));
    std::ifstream out(folder / "out");
    size_t lines = 0;
    for (std::string line; std::getline(out, line); lines++) {
        EXPECT_NE(line.find("Cvf-Node=node-1"), std::string::npos) << line;
        EXPECT_NE(line.find(" " + std::to_string(batch.size())), std::string::npos) << line;
    }
    EXPECT_EQ(lines, 100u);
}

INSTANTIATE_TEST_SUITE_P(Kafka, KafkaCompression, testing::Values("none", "lz4", "zstd"),
                         [](const auto& i) { return std::string(i.param); });

}  // namespace cvf::bus::test
