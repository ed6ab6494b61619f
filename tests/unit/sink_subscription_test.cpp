#include "sink/subscription.h"

#include <gtest/gtest.h>
#include <malloc.h>

#include <atomic>
#include <condition_variable>
#include <thread>

namespace cvf::sink {
namespace {

using record::Field;
using record::Record;
using record::RecordType;

void make(Record& record, RecordType type, uint64_t n) {
    record.begin(type, 1'700'000'000'000'000'000);
    record.uint(Field::source_port, n);
}

std::string drain(Subscription& subscription, uint64_t* lost = nullptr) {
    std::string out;
    for (;;) {
        const auto taken = subscription.take();
        if (lost) *lost += taken.lost_before;
        if (!taken.batch) return out;
        out += taken.batch->view();
    }
}

class EvenPorts : public Selector {
 public:
    bool matches(const Record& record) override { return record.find(Field::source_port)->uint % 2 == 0; }
};

TEST(Hub, without_subscribers_wants_nothing) {
    Hub hub;
    Record record;
    make(record, RecordType::dns, 1);
    EXPECT_FALSE(hub.wants(RecordType::dns));
    hub.publish(record);
    hub.flush();
    EXPECT_EQ(hub.subscribers(), 0u);
}

TEST(Hub, gives_each_subscriber_its_types_its_selection_and_its_fields) {
    Hub hub;
    SubscriptionOptions evens;
    evens.types = TypeBits().set(static_cast<size_t>(RecordType::dns));
    evens.selector = std::make_unique<EvenPorts>();
    evens.before_line = "data: ";
    evens.after_line = "\n";
    const auto a = hub.subscribe(std::move(evens));
    SubscriptionOptions bare;
    bare.projection = *record::Projection::parse(std::vector<std::string>{"record.type"});
    const auto b = hub.subscribe(std::move(bare));
    EXPECT_TRUE(hub.wants(RecordType::http));

    Record record;
    for (uint64_t n = 0; n < 3; ++n) {
        make(record, RecordType::dns, n);
        hub.publish(record);
    }
    make(record, RecordType::http, 8);
    hub.publish(record);
    EXPECT_EQ(drain(*a), "") << "nothing before the batch is flushed";
    hub.flush();

    const std::string first = drain(*a);
    EXPECT_TRUE(first.starts_with("data: {"));
    EXPECT_NE(first.find("\"source.port\":0}\n\ndata: {"), std::string::npos) << first;
    EXPECT_TRUE(first.ends_with("\"source.port\":2}\n\n"));
    EXPECT_EQ(first.find("http"), std::string::npos);
    const std::string second = drain(*b);
    EXPECT_EQ(second.find("source.port"), std::string::npos);
    EXPECT_EQ(std::count(second.begin(), second.end(), '\n'), 4);

    hub.unsubscribe(b);
    EXPECT_FALSE(hub.wants(RecordType::http));
    hub.unsubscribe(a);
    EXPECT_FALSE(hub.wants(RecordType::dns));
    hub.unsubscribe(a);
    hub.flush();
    EXPECT_EQ(a.use_count(), 1) << "the pipeline has let go of it";
}

TEST(Subscription, that_is_slow_loses_whole_batches_and_is_told_how_many_records) {
    Hub hub;
    SubscriptionOptions options;
    options.queue_bytes = 10'000;
    options.batch_bytes = 1000;
    const auto slow = hub.subscribe(std::move(options));
    Record record;
    const auto publish = [&](uint64_t count) {
        for (uint64_t n = 0; n < count; ++n) {
            make(record, RecordType::dns, n);
            hub.publish(record);
        }
        hub.flush();
    };
    publish(1000);
    uint64_t lost = 0;
    const std::string first = drain(*slow, &lost);
    const auto got = static_cast<uint64_t>(std::count(first.begin(), first.end(), '\n'));
    EXPECT_LE(first.size(), 10'000u);
    EXPECT_GT(got, 10u);
    EXPECT_EQ(got + lost, 1000u);
    EXPECT_EQ(slow->lost(), lost);
    EXPECT_EQ(slow->queued(), got);
    publish(5);
    EXPECT_EQ(slow->take().lost_before, 0u) << "told once";
}

TEST(Subscription, tells_a_loss_in_its_place_in_the_stream) {
    Hub hub;
    SubscriptionOptions options;
    options.queue_bytes = 250;
    options.batch_bytes = 1;
    const auto slow = hub.subscribe(std::move(options));
    Record record;
    for (uint64_t n = 0; n < 200; ++n) {
        make(record, RecordType::dns, n);
        hub.publish(record);
    }
    const auto kept = slow->queued();
    ASSERT_GT(kept, 0u);
    ASSERT_LT(kept, 200u);
    EXPECT_EQ(slow->take().lost_before, 0u);
    make(record, RecordType::dns, 99);
    hub.publish(record);
    uint64_t lost = 0;
    const std::string rest = drain(*slow, &lost);
    EXPECT_EQ(lost, 200 - kept);
    EXPECT_TRUE(rest.ends_with("99}\n"));
}

TEST(Subscription, of_small_batches_holds_no_more_memory_than_its_bound) {
    Hub hub;
    SubscriptionOptions options;
    options.queue_bytes = 1u << 20;
    const auto slow = hub.subscribe(std::move(options));
    const size_t before = mallinfo2().uordblks;
    Record record;
    for (uint64_t n = 0; n < 20'000; ++n) {
        make(record, RecordType::dns, n);
        hub.publish(record);
        hub.flush();
    }
    EXPECT_GT(slow->lost(), 0u);
    EXPECT_LT(mallinfo2().uordblks - before, 3u << 19);
    const uint64_t kept = slow->queued();
    EXPECT_GT(drain(*slow).size(), 900'000u) << "and its bound is made use of";
    EXPECT_EQ(kept + slow->lost(), 20'000u);
}

TEST(Subscription, wakes_its_reader_only_after_it_found_nothing) {
    Hub hub;
    int woken = 0;
    SubscriptionOptions options;
    options.wake = [&] { ++woken; };
    const auto subscription = hub.subscribe(std::move(options));
    Record record;
    for (int i = 0; i < 5; ++i) {
        make(record, RecordType::dns, 1);
        hub.publish(record);
        hub.flush();
    }
    EXPECT_EQ(woken, 1);
    drain(*subscription);
    hub.publish(record);
    hub.flush();
    EXPECT_EQ(woken, 2);
}

TEST(Hub, bears_subscribers_that_come_and_go_while_it_publishes) {
    Hub hub;
    std::atomic<bool> over{false};
    std::thread pipeline([&] {
        Record record;
        for (uint64_t n = 0; !over; ++n) {
            make(record, RecordType::dns, n);
            hub.publish(record);
            if (n % 64 == 0) {
                hub.flush();
                std::this_thread::sleep_for(std::chrono::microseconds(200));
            }
        }
        hub.flush();
    });
    std::vector<std::thread> readers;
    std::atomic<uint64_t> seen{0};
    for (int t = 0; t < 3; ++t)
        readers.emplace_back([&] {
            for (int round = 0; round < 30; ++round) {
                std::mutex mutex;
                std::condition_variable ready;
                bool woken = false;
                SubscriptionOptions options;
                options.wake = [&] {
                    const std::lock_guard lock(mutex);
                    woken = true;
                    ready.notify_one();
                };
                auto subscription = hub.subscribe(std::move(options));
                {
                    std::unique_lock lock(mutex);
                    EXPECT_TRUE(ready.wait_for(lock, std::chrono::seconds(5), [&] { return woken; }));
                }
                seen += std::min<size_t>(1, drain(*subscription).size());
                hub.unsubscribe(subscription);
                // The wake function may be called until the next flush has passed: wait until the pipeline has let go.
                while (subscription.use_count() > 1) std::this_thread::yield();
            }
        });
    for (auto& reader : readers) reader.join();
    over = true;
    pipeline.join();
    EXPECT_EQ(seen, 90u);
}

}  // namespace
}  // namespace cvf::sink
