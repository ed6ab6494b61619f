// What bus.h promises, asked of every implementation: include this and instantiate `Contract` with places.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "bus/subjects.h"
#include "watcher.h"

namespace cvf::bus::test {

// Where the bus is. `url` may start a broker; an empty one skips, with `why`.
struct Place {
    std::string name;
    std::function<std::string()> url;
    std::string why;
    std::function<void(Options&)> options = {};
    bool exact_documents = true;  // `expected` is compared by the broker
    std::chrono::milliseconds patience{10000};
};

class Contract : public testing::TestWithParam<Place> {
 protected:
    void SetUp() override {
        url_ = GetParam().url();
        if (url_.empty()) GTEST_SKIP() << "SKIP: " << GetParam().why;
        static std::atomic<int> number = 0;
        // Every test has subjects and buckets of its own.
        unique_ = fmt::format("{}-{}", getpid(), ++number);
    }

    std::unique_ptr<Bus> connect(Settlements* settlements = nullptr, size_t pending = 16 << 20) {
        Options options;
        options.url = url_;
        options.pending_bytes = pending;
        options.partitions = 3;
        if (settlements) options.on_settled = settlements->handler();
        if (GetParam().options) GetParam().options(options);
        auto bus = Bus::connect(options);
        EXPECT_TRUE(bus) << bus.error();
        if (!bus) return nullptr;
        EXPECT_TRUE(wait_for([&] { return (*bus)->state().connected; })) << (*bus)->state().last_error;
        return std::move(*bus);
    }
    std::string type() const { return "t" + unique_; }
    std::string bucket() const { return "b" + unique_; }
    bool soon(const std::function<bool()>& done) const { return wait_for(done, GetParam().patience); }

    std::string url_, unique_;
};

inline Message text(const std::string& subject, std::string_view payload, uint64_t token = 0) {
    Message m;
    m.subject = subject;
    m.payload = payload;
    m.token = token;
    return m;
}

// Until Accepted::yes.
inline void insist(Bus& bus, const Message& message) {
    Accepted accepted = Accepted::full;
    EXPECT_TRUE(wait_for([&] { return (accepted = bus.publish(message)) == Accepted::yes; }, std::chrono::seconds(30)));
}

TEST_P(Contract, a_message_arrives_whole_and_is_settled_as_delivered) {
    Settlements settlements;
    Inbox inbox;
    auto publisher = connect(&settlements), other = connect();
    const std::string subject = subject::records(type(), "node.1 of 2");
    auto subscription = other->subscribe("cvf.v1.records." + type() + ".*", "", inbox.handler());
    ASSERT_TRUE(subscription) << subscription.error();

    const std::string payload("{\"a\":1}\n\0binary\xff", 16);
    const Header headers[] = {{header::agent, "node-1/7"}, {header::first, "1"}, {header::content_type, "application/x-ndjson"}};
    Message m = text(subject, payload, 1);
    m.headers = headers;
    m.partition_key = 12345;
    insist(*publisher, m);
    ASSERT_TRUE(soon([&] { return settlements.delivered() == 1 && inbox.size() >= 1; })) << publisher->state().last_error;
    const auto got = inbox.all();
    EXPECT_EQ(got[0].subject, subject);
    EXPECT_EQ(got[0].payload, payload);
    EXPECT_EQ(got[0].headers.at(std::string(header::agent)), "node-1/7");
    EXPECT_EQ(got[0].headers.at(std::string(header::content_type)), "application/x-ndjson");
    EXPECT_EQ(other->state().received, 1u);
    EXPECT_EQ(publisher->state().published, 1u);
    EXPECT_EQ(publisher->state().delivered, 1u);
    EXPECT_EQ(publisher->state().pending_bytes, 0u);
}

TEST_P(Contract, every_accepted_message_is_settled_once_and_drain_waits_for_it) {
    Settlements settlements;
    auto bus = connect(&settlements);
    const std::string subject = subject::records(type(), "n");
    constexpr size_t count = 2000;
    for (uint64_t token = 1; token <= count; token++) insist(*bus, text(subject, std::string(100, 'x'), token));
    EXPECT_TRUE(bus->drain(std::chrono::seconds(20)));
    EXPECT_TRUE(settlements.each_once(count));
    EXPECT_EQ(settlements.delivered(), count);
    EXPECT_EQ(bus->state().pending_messages, 0u);
    EXPECT_EQ(bus->state().pending_bytes, 0u);
}

TEST_P(Contract, messages_of_one_subject_and_key_keep_their_order) {
    Inbox inbox;
    auto bus = connect(), other = connect();
    const std::string subject = subject::records(type(), "n");
    auto subscription = other->subscribe(subject, "", inbox.handler());
    constexpr size_t count = 500;
    for (size_t i = 0; i < count; i++) {
        Message m = text(subject, std::to_string(i));
        const std::string payload = std::to_string(i);
        m.payload = payload;
        m.partition_key = 7;
        insist(*bus, m);
    }
    ASSERT_TRUE(soon([&] { return inbox.size() == count; })) << inbox.size();
    const auto got = inbox.all();
    for (size_t i = 0; i < count; i++) ASSERT_EQ(got[i].payload, std::to_string(i));
}

TEST_P(Contract, the_destructor_settles_what_is_left) {
    Settlements settlements;
    constexpr size_t count = 300;
    {
        auto bus = connect(&settlements);
        const std::string subject = subject::records(type(), "n");
        for (uint64_t token = 1; token <= count; token++) insist(*bus, text(subject, "x", token));
    }
    EXPECT_TRUE(settlements.each_once(count));
}

TEST_P(Contract, a_pattern_chooses_and_two_subscribers_both_get_it) {
    Inbox one, all, rest;
    auto bus = connect(), other = connect();
    auto a = other->subscribe(subject::records(type(), "n1"), "", one.handler());
    auto b = other->subscribe("cvf.v1.records." + type() + ".*", "", all.handler());
    auto c = other->subscribe("cvf.v1.records." + type() + ".>", "", rest.handler());
    ASSERT_TRUE(a && b && c);
    const std::string n1 = subject::records(type(), "n1"), n2 = subject::records(type(), "n2");
    insist(*bus, text(n1, "1"));
    insist(*bus, text(n2, "2"));
    ASSERT_TRUE(soon([&] { return all.size() == 2 && rest.size() == 2 && one.size() == 1; }))
        << all.size() << rest.size() << one.size();
    EXPECT_EQ(one.all()[0].payload, "1");
}

TEST_P(Contract, members_of_a_queue_share_the_messages) {
    Inbox a, b;
    auto bus = connect(), first = connect(), second = connect();
    const std::string subject = subject::records(type(), "n"), queue = "q" + unique_;
    auto one = first->subscribe(subject, queue, a.handler());
    auto two = second->subscribe(subject, queue, b.handler());
    ASSERT_TRUE(one && two);
    constexpr size_t count = 200;
    for (size_t i = 0; i < count; i++) {
        Message m = text(subject, {});
        const std::string payload = std::to_string(i);
        m.payload = payload;
        m.partition_key = i;
        insist(*bus, m);
    }
    // One may come twice, when members join while it is on its way.
    const auto all = [&] {
        std::map<std::string, int> out = a.payloads();
        for (const auto& [payload, n] : b.payloads()) out[payload] += n;
        return out.size();
    };
    ASSERT_TRUE(wait_for([&] { return all() >= count; }, std::chrono::seconds(30))) << a.size() << " " << b.size();
    EXPECT_EQ(all(), count);
}

TEST_P(Contract, what_can_never_be_published_is_refused_with_a_reason) {
    auto bus = connect();
    const std::string huge(max_payload + 1, 'x');
    EXPECT_EQ(bus->publish(text(subject::records(type(), "n"), huge)), Accepted::refused);
    EXPECT_NE(bus->state().last_error.find("the largest has"), std::string::npos);
    for (const char* bad : {"", "a..b", "a.*", "a.>", "a b", ".a", "a.", "a\tb"}) {
        EXPECT_EQ(bus->publish(text(bad, "x")), Accepted::refused) << bad;
    }
    EXPECT_EQ(bus->state().published, 0u);
    EXPECT_FALSE(bus->subscribe("a..b", "", [](const Message&) {}));
    EXPECT_FALSE(bus->subscribe("a.>.b", "", [](const Message&) {}));
    EXPECT_FALSE(bus->put("no.bucket", "k", "v"));
    EXPECT_FALSE(bus->put(bucket(), "", "v"));
    EXPECT_FALSE(bus->put(bucket(), "k", huge));
    EXPECT_FALSE(bus->watch("a/b", [](const Document*) {}));
}

TEST_P(Contract, the_largest_message_arrives) {
    Settlements settlements;
    Inbox inbox;
    auto bus = connect(&settlements), other = connect();
    const std::string subject = subject::records(type(), "n");
    auto subscription = other->subscribe(subject, "", inbox.handler());
    const std::string payload(max_payload, 'x');
    const Header headers[] = {{header::agent, "node-1/7"}};
    Message m = text(subject, payload, 1);
    m.headers = headers;
    insist(*bus, m);
    ASSERT_TRUE(soon([&] { return inbox.size() == 1 && settlements.delivered() == 1; })) << bus->state().last_error;
    EXPECT_EQ(inbox.all()[0].payload.size(), max_payload);
}

TEST_P(Contract, a_handler_may_publish_and_end_its_own_subscription) {
    Inbox answers;
    auto bus = connect(), other = connect();
    const std::string question = subject::records(type() + "q", "n"), answer = subject::records(type() + "a", "n");
    auto listening = bus->subscribe(answer, "", answers.handler());
    Inbox questions;
    auto witness = other->subscribe(question, "", questions.handler());
    std::unique_ptr<Subscription> once;
    std::atomic<int> calls = 0;
    std::mutex mutex;
    std::unique_lock lock(mutex);
    auto made = other->subscribe(question, "", [&](const Message&) {
        calls++;
        insist(*other, text(answer, "yes"));
        const std::lock_guard held(mutex);
        once.reset();
    });
    ASSERT_TRUE(made);
    once = std::move(*made);
    lock.unlock();
    insist(*bus, text(question, "?"));
    ASSERT_TRUE(soon([&] { return answers.size() == 1; }));
    insist(*bus, text(question, "?"));
    ASSERT_TRUE(soon([&] { return questions.size() == 2; }));
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    EXPECT_EQ(calls, 1);
}

TEST_P(Contract, after_a_subscription_ended_its_handler_does_not_run) {
    std::atomic<bool> ended = false, wrong = false;
    std::atomic<int> running = 0;
    auto bus = connect(), other = connect();
    const std::string subject = subject::records(type(), "n");
    auto made = other->subscribe(subject, "", [&](const Message&) {
        running++;
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
        wrong = wrong || ended;
        running--;
    });
    for (int i = 0; i < 50; i++) insist(*bus, text(subject, "x"));
    ASSERT_TRUE(soon([&] { return running > 0; }));
    made->reset();
    ended = true;
    EXPECT_EQ(running, 0);
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    EXPECT_FALSE(wrong);
}

TEST_P(Contract, a_watch_tells_what_is_there_then_that_it_has_caught_up_then_changes) {
    auto bus = connect(), other = connect();
    auto first = bus->put(bucket(), "Metadata/shop.errors", "1");
    ASSERT_TRUE(first) << first.error();
    auto second = bus->put(bucket(), "b", "2");
    ASSERT_TRUE(second) << second.error();
    EXPECT_GT(*second, *first);
    ASSERT_TRUE(bus->put(bucket(), "gone", "3"));
    ASSERT_TRUE(bus->remove(bucket(), "gone"));

    Diary diary;
    auto watch = other->watch(bucket(), diary.handler());
    ASSERT_TRUE(watch) << watch.error();
    ASSERT_TRUE(soon([&] { return diary.has("caught up"); }));
    EXPECT_EQ(diary.lines().back(), "caught up");
    EXPECT_EQ(diary.value("Metadata/shop.errors"), "1");
    EXPECT_EQ(diary.revision("Metadata/shop.errors"), *first);
    EXPECT_EQ(diary.value("b"), "2");
    EXPECT_EQ(diary.value("gone"), "");

    auto third = bus->put(bucket(), "b", "");
    ASSERT_TRUE(third);
    ASSERT_TRUE(soon([&] { return diary.has("b="); }));
    EXPECT_EQ(diary.revision("b"), *third);
    ASSERT_TRUE(bus->remove(bucket(), "b"));
    ASSERT_TRUE(soon([&] { return diary.has("b removed"); }));
    EXPECT_EQ(diary.value("Metadata/shop.errors"), "1");
}

TEST_P(Contract, a_watch_of_an_empty_bucket_catches_up_and_sees_the_first_document) {
    auto bus = connect();
    Diary diary;
    auto watch = bus->watch(bucket(), diary.handler());
    ASSERT_TRUE(soon([&] { return diary.has("caught up"); })) << bus->state().last_error;
    ASSERT_TRUE(bus->put(bucket(), "a", "1"));
    ASSERT_TRUE(soon([&] { return diary.value("a") == "1"; }));
}

TEST_P(Contract, put_with_an_expected_revision_replaces_only_that) {
    auto bus = connect();
    auto made = bus->put(bucket(), "a", "1", 0);
    ASSERT_TRUE(made) << made.error();
    EXPECT_FALSE(bus->put(bucket(), "a", "other", 0));
    auto next = bus->put(bucket(), "a", "2", *made);
    ASSERT_TRUE(next) << next.error();
    auto stale = bus->put(bucket(), "a", "3", *made);
    ASSERT_FALSE(stale);
    EXPECT_NE(stale.error().find(fmt::format("is at revision {}, not {}", *next, *made)), std::string::npos) << stale.error();
    ASSERT_TRUE(bus->remove(bucket(), "a"));
    EXPECT_FALSE(bus->put(bucket(), "a", "4", *next));
    auto again = bus->put(bucket(), "a", "5", 0);
    ASSERT_TRUE(again) << again.error();
    EXPECT_GT(*again, *next);
}

TEST_P(Contract, remove_with_an_expected_revision_removes_only_that) {
    auto bus = connect();
    auto made = bus->put(bucket(), "a", "1");
    ASSERT_TRUE(made) << made.error();
    auto next = bus->put(bucket(), "a", "2");
    ASSERT_TRUE(next) << next.error();
    auto stale = bus->remove(bucket(), "a", *made);
    ASSERT_FALSE(stale);
    EXPECT_NE(stale.error().find(fmt::format("is at revision {}, not {}", *next, *made)), std::string::npos) << stale.error();
    auto gone = bus->remove(bucket(), "a", *next);
    ASSERT_TRUE(gone) << gone.error();
    EXPECT_FALSE(bus->remove(bucket(), "a", *next));
    auto again = bus->put(bucket(), "a", "3", 0);
    ASSERT_TRUE(again) << again.error();
    EXPECT_GT(*again, *next);
}

TEST_P(Contract, of_two_writers_that_expect_the_same_revision_one_wins) {
    auto a = connect(), b = connect();
    auto base = a->put(bucket(), "k", "0");
    ASSERT_TRUE(base);
    for (int round = 0; round < 20; round++) {
        std::expected<uint64_t, std::string> x = 0, y = 0;
        std::thread other([&] { y = b->put(bucket(), "k", "b", *base); });
        x = a->put(bucket(), "k", "a", *base);
        other.join();
        ASSERT_TRUE(x || y) << x.error();
        if (GetParam().exact_documents) {
            ASSERT_NE(x.has_value(), y.has_value());
        }
        base = y && (!x || *y > *x) ? y : x;
    }
}

TEST_P(Contract, a_document_of_every_kind_of_key_comes_back) {
    auto bus = connect();
    const std::string keys[] = {"a", "A/b-c_d", "with space", "dots.in.it", "*", ">", "=", "ü", "a=b", "$x", ".", "/"};
    for (const std::string& key : keys) {
        auto put = bus->put(bucket(), key, "value of " + key);
        ASSERT_TRUE(put) << key << ": " << put.error();
    }
    Diary diary;
    auto watch = bus->watch(bucket(), diary.handler());
    ASSERT_TRUE(soon([&] { return diary.has("caught up"); }));
    for (const std::string& key : keys) EXPECT_EQ(diary.value(key), "value of " + key);
}

TEST_P(Contract, a_document_can_be_asked_for_or_the_bus_says_that_it_can_not) {
    auto bus = connect(), other = connect();
    auto put = bus->put(bucket(), "node.1", "1");
    ASSERT_TRUE(put) << put.error();
    const auto found = other->get(bucket(), "node.1");
    if (!GetParam().exact_documents) {  // Kafka
        EXPECT_FALSE(found);
        return;
    }
    ASSERT_TRUE(found) << found.error();
    EXPECT_EQ(found->value, "1");
    EXPECT_EQ(found->revision, *put);
    const auto absent = other->get(bucket(), "node.2");
    ASSERT_TRUE(absent) << absent.error();
    EXPECT_EQ(absent->revision, 0u);
    ASSERT_TRUE(bus->remove(bucket(), "node.1"));
    const auto removed = other->get(bucket(), "node.1");
    ASSERT_TRUE(removed) << removed.error();
    EXPECT_EQ(removed->revision, 0u);
}

TEST_P(Contract, many_threads_publish_at_once) {
    Settlements settlements;
    auto bus = connect(&settlements, 1 << 20);
    constexpr int threads = 4;
    constexpr uint64_t each = 500;
    std::vector<std::thread> all;
    for (int t = 0; t < threads; t++) {
        all.emplace_back([&, t] {
            const std::string subject = subject::records(type(), std::to_string(t));
            for (uint64_t i = 1; i <= each; i++) {
                insist(*bus, text(subject, std::string(1000, 'x'), static_cast<uint64_t>(t) * each + i));
                EXPECT_LE(bus->state().pending_bytes, size_t{1} << 20);
            }
        });
    }
    for (auto& t : all) t.join();
    EXPECT_TRUE(bus->drain(std::chrono::seconds(20)));
    EXPECT_TRUE(settlements.each_once(threads * each));
    EXPECT_EQ(settlements.delivered(), threads * each);
}

}  // namespace cvf::bus::test
