// The bus sink accounts for every record whatever the broker does.
#include "sink/bus_sink.h"

#include <gtest/gtest.h>
#include <malloc.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <csignal>
#include <filesystem>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "bus/subjects.h"
#include "sink/bus_batch.h"

namespace cvf::sink {
namespace {

using record::Field;
using record::RecordType;

// A broker that does as the test says.
class FakeBus final : public bus::Bus {
 public:
    std::function<void(const bus::Settled&)> settle;
    mutable std::mutex mutex;
    bool up = true, deliver = true, hold = false;
    size_t accept = SIZE_MAX;  // messages before it is full
    std::vector<uint64_t> held;
    std::set<std::string> denied, too_large;                                    // subjects
    std::map<std::string, size_t> asked;                                        // messages taken, by subject
    std::map<std::string, std::vector<std::pair<uint64_t, uint64_t>>> arrived;  // by subject: sequence, records

    bus::Accepted publish(const bus::Message& m) override {
        uint64_t token = m.token;
        bool good = false, refused = false;
        {
            std::lock_guard lock(mutex);
            if (!up) return bus::Accepted::down;
            if (accept == 0) return bus::Accepted::full;
            accept--;
            if (hold) {
                held.push_back(token);
                return bus::Accepted::yes;
            }
            const std::string subject(m.subject);
            asked[subject]++;
            refused = too_large.contains(subject);
            good = deliver && !refused && !denied.contains(subject);
            if (good) note(m);
        }
        settle({token, good, refused});
        return bus::Accepted::yes;
    }
    void note(const bus::Message& m) {
        uint64_t sequence = 0, count = 0;
        for (const bus::Header& h : m.headers) {
            if (h.name == bus::header::first) sequence = std::stoull(std::string(h.value));
            if (h.name == bus::header::count) count = std::stoull(std::string(h.value));
        }
        EXPECT_EQ(static_cast<uint64_t>(std::ranges::count(m.payload, '\n')), count);
        arrived[std::string(m.subject)].emplace_back(sequence, count);
    }
    size_t times_asked(const std::string& subject) {
        std::lock_guard lock(mutex);
        return asked[subject];
    }
    size_t batches(const std::string& subject) {
        std::lock_guard lock(mutex);
        return arrived[subject].size();
    }
    uint64_t records() {
        std::lock_guard lock(mutex);
        std::set<std::tuple<std::string, uint64_t, uint64_t>> once;
        for (const auto& [subject, batches] : arrived)
            for (const auto& [sequence, count] : batches) once.emplace(subject, sequence, count);
        uint64_t n = 0;
        for (const auto& batch : once) n += std::get<2>(batch);
        return n;
    }
    std::expected<std::unique_ptr<bus::Subscription>, std::string> subscribe(std::string_view, std::string_view,
                                                                             bus::OnMessage) override {
        return std::unexpected("no");
    }
    std::expected<uint64_t, std::string> put(std::string_view, std::string_view, std::string_view,
                                             std::optional<uint64_t>) override {
        return std::unexpected("no");
    }
    std::expected<void, std::string> remove(std::string_view, std::string_view, std::optional<uint64_t>) override {
        return std::unexpected("no");
    }
    std::expected<std::unique_ptr<bus::Subscription>, std::string> watch(std::string_view, bus::OnDocument) override {
        return std::unexpected("no");
    }
    bus::State state() const override {
        std::lock_guard lock(mutex);
        bus::State state;
        state.connected = up;
        if (!denied.empty() || !too_large.empty()) state.last_error = "not permitted";
        return state;
    }
    bool drain(std::chrono::milliseconds) override { return true; }
};

class BusSinkTest : public testing::Test {
 protected:
    void SetUp() override {
        char name[] = "/tmp/cvf-bus-XXXXXX";
        ASSERT_NE(mkdtemp(name), nullptr);
        directory_ = name;
    }
    void TearDown() override {
        close();
        std::filesystem::remove_all(directory_);
    }
    // As BusLink does it: what is settled while the sink is being made waits for it.
    void close() {
        {
            std::lock_guard lock(wire_);
            wired_ = nullptr;
        }
        sink_.reset();
    }
    void open(bool spool, size_t memory = 1u << 20, uint64_t limit = 64u << 20) {
        close();
        std::lock_guard lock(wire_);
        bus_.settle = [this](const bus::Settled& s) {
            std::lock_guard held(wire_);
            if (wired_) wired_->settled(s);
        };
        BusSinkOptions options;
        options.node = "node-1";
        options.instance = 42;
        options.batch_bytes = 2000;
        options.linger = std::chrono::milliseconds(0);
        options.memory_bytes = memory;
        options.give_up = give_up_;
        options.complain = [](std::string_view) {};
        if (spool) options.spool = {directory_, limit, 100'000};
        auto sink = BusSink::open(std::move(options), bus_);
        ASSERT_TRUE(sink) << sink.error();
        sink_ = std::move(*sink);
        wired_ = sink_.get();
    }
    void write(size_t n, RecordType type = RecordType::dns) {
        record::Record r;
        for (size_t i = 0; i < n; i++) {
            r.begin(type, 1'700'000'000'000'000'000);
            const std::string id = "flow-" + std::to_string(i);
            r.text(Field::record_id, id);
            sink_->write(r, nullptr);
        }
        sink_->flush();
    }
    bool until(const std::function<bool()>& done, int ms = 5000) {
        for (int i = 0; i < ms; i++) {
            if (done()) return true;
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        return false;
    }
    void set(bool FakeBus::* member, bool value, bool told = true) {
        {
            std::lock_guard lock(bus_.mutex);
            bus_.*member = value;
        }
        if (told) sink_->connection_changed();
    }
    void expect_balance() {
        const RecordSinkStats stats = sink_->stats();
        EXPECT_EQ(stats.given, stats.delivered + stats.lost + stats.waiting);
    }

    void deny(std::string subject, std::set<std::string> FakeBus::* list = &FakeBus::denied) {
        std::lock_guard lock(bus_.mutex);
        (bus_.*list).insert(std::move(subject));
    }

    std::string directory_;
    std::chrono::milliseconds give_up_{60'000};
    FakeBus bus_;
    std::mutex wire_;
    BusSink* wired_ = nullptr;
    std::unique_ptr<BusSink> sink_;
};

const std::string health = bus::subject::records("health", "node-1"), dns = bus::subject::records("dns", "node-1");

TEST_F(BusSinkTest, everything_arrives_with_sequences_without_gaps) {
    open(false);
    write(1000);
    write(500, RecordType::flow);
    ASSERT_TRUE(until([&] { return sink_->stats().delivered == 1500; }));
    EXPECT_EQ(bus_.records(), 1500u);
    for (const auto& [subject, batches] : bus_.arrived) {
        uint64_t next = 1;
        for (const auto& [sequence, count] : batches) {
            EXPECT_EQ(sequence, next) << subject;
            next += count;
        }
    }
    EXPECT_EQ(sink_->stats().lost, 0u);
}

TEST_F(BusSinkTest, what_was_not_delivered_is_sent_again_under_the_same_sequence) {
    open(false);
    set(&FakeBus::deliver, false);
    write(200);
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    EXPECT_EQ(sink_->stats().delivered, 0u);
    set(&FakeBus::deliver, true);
    ASSERT_TRUE(until([&] { return sink_->stats().delivered == 200; }));
    EXPECT_EQ(bus_.records(), 200u);
}

TEST_F(BusSinkTest, without_a_spool_memory_is_the_bound_and_the_loss_is_counted) {
    open(false, 100'000);
    set(&FakeBus::up, false);
    write(5000);
    const RecordSinkStats down = sink_->stats();
    EXPECT_GT(down.lost, 0u);
    EXPECT_GT(down.waiting, 0u);
    expect_balance();
    set(&FakeBus::up, true);
    ASSERT_TRUE(until([&] { return sink_->stats().waiting == 0; }));
    EXPECT_EQ(bus_.records() + sink_->stats().lost, 5000u);
}

TEST_F(BusSinkTest, with_a_spool_an_outage_costs_nothing_and_order_is_kept) {
    open(true, 100'000);
    set(&FakeBus::up, false);
    for (int i = 0; i < 50; i++) {
        const uint64_t before = sink_->stats().spooled_bytes;
        write(100);
        ASSERT_TRUE(until([&] { return sink_->stats().spooled_bytes > before; })) << i;
    }
    EXPECT_EQ(sink_->stats().lost, 0u);
    set(&FakeBus::up, true);
    ASSERT_TRUE(until([&] { return sink_->stats().waiting == 0; })) << sink_->stats().waiting;
    EXPECT_EQ(bus_.records(), 5000u);
    uint64_t next = 1;
    for (const auto& [sequence, count] : bus_.arrived.begin()->second) {
        EXPECT_EQ(sequence, next);
        next = sequence + count;
    }
    EXPECT_TRUE(until([&] { return sink_->stats().spooled_bytes == 0; }));
}

TEST_F(BusSinkTest, what_is_left_at_the_end_goes_out_in_the_next_life) {
    open(true);
    set(&FakeBus::up, false);
    write(700);
    sink_->finish(std::chrono::milliseconds(10));
    EXPECT_EQ(sink_->stats().lost, 0u);
    close();
    bus_.up = true;
    open(true);
    ASSERT_TRUE(until([&] { return sink_->stats().delivered == 700; }));
    EXPECT_EQ(bus_.records(), 700u);
}

TEST_F(BusSinkTest, when_the_spool_is_full_health_goes_on_longest) {
    open(true, 200'000, 200'000);
    set(&FakeBus::up, false);
    for (int i = 0; i < 100; i++) {
        write(100);
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    ASSERT_TRUE(until([&] { return sink_->stats().lost > 0; }));
    const uint64_t lost = sink_->stats().lost;
    write(10, RecordType::health);
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    EXPECT_EQ(sink_->stats().lost, lost);
    set(&FakeBus::up, true);
    ASSERT_TRUE(until([&] { return sink_->stats().waiting == 0; }));
    EXPECT_EQ(bus_.records() + sink_->stats().lost, 10'010u);
    EXPECT_EQ(bus_.batches(health), 1u);
}

TEST_F(BusSinkTest, a_full_bus_is_tried_again_when_something_has_arrived) {
    open(false);
    {
        std::lock_guard lock(bus_.mutex);
        bus_.hold = true;
        bus_.accept = 2;
    }
    write(200);
    ASSERT_TRUE(until([&] {
        std::lock_guard lock(bus_.mutex);
        return bus_.held.size() == 2;
    }));
    std::vector<uint64_t> held;
    {
        std::lock_guard lock(bus_.mutex);
        bus_.hold = false;
        bus_.accept = SIZE_MAX;
        held.swap(bus_.held);
    }
    for (const uint64_t token : held) sink_->settled({token, false});
    ASSERT_TRUE(until([&] { return sink_->stats().delivered == 200; }));
    EXPECT_EQ(bus_.records(), 200u);
}

TEST_F(BusSinkTest, what_the_broker_refuses_for_good_is_lost_and_the_rest_goes_on) {
    open(false, 100'000);
    deny(health, &FakeBus::too_large);
    for (int i = 0; i < 50; i++) {
        write(10, RecordType::health);
        write(100);
        ASSERT_TRUE(until([&] { return sink_->stats().waiting == 0; })) << i;
    }
    EXPECT_EQ(sink_->stats().delivered, 5000u);
    EXPECT_EQ(sink_->stats().lost, 500u);
    EXPECT_EQ(bus_.times_asked(health), 50u);
    EXPECT_NE(sink_->stats().last_error.find("not permitted"), std::string::npos) << sink_->stats().last_error;
}

TEST_F(BusSinkTest, a_subject_the_broker_never_takes_holds_up_no_other) {
    give_up_ = std::chrono::milliseconds(400);
    open(false, 200'000);
    deny(health);
    const auto both = [&](uint64_t round) {
        write(10, RecordType::health);
        write(100);
        return until([&] {
            std::lock_guard lock(bus_.mutex);
            uint64_t n = 0;
            for (const auto& [sequence, count] : bus_.arrived[dns]) n += count;
            return n == 100 * round;
        });
    };
    uint64_t round = 0;
    const auto until_given_up = std::chrono::steady_clock::now() + std::chrono::milliseconds(600);
    for (; round < 10 || std::chrono::steady_clock::now() < until_given_up;
         std::this_thread::sleep_for(std::chrono::milliseconds(5)))
        ASSERT_TRUE(both(++round));
    EXPECT_NE(sink_->stats().last_error.find("not permitted"), std::string::npos) << sink_->stats().last_error;
    const uint64_t asked = bus_.times_asked(health);
    const auto later = std::chrono::steady_clock::now() + std::chrono::milliseconds(500);
    for (; std::chrono::steady_clock::now() < later; std::this_thread::sleep_for(std::chrono::milliseconds(5)))
        ASSERT_TRUE(both(++round));
    EXPECT_GT(sink_->stats().lost, 0u);
    EXPECT_LT(sink_->stats().waiting, 50u) << "at most what is tried now";
    EXPECT_LE(bus_.times_asked(health) - asked, 3u) << "one a second";
    expect_balance();

    // It is noticed when it may be published to.
    {
        std::lock_guard lock(bus_.mutex);
        bus_.denied.clear();
    }
    ASSERT_TRUE(until([&] {
        ++round;
        write(10, RecordType::health);
        write(100);
        std::lock_guard lock(bus_.mutex);
        return bus_.arrived[health].size() > 3;
    }));
    ASSERT_TRUE(until([&] { return sink_->stats().waiting == 0; }));
    EXPECT_EQ(bus_.records() + sink_->stats().lost, round * 110);
}

TEST_F(BusSinkTest, what_does_not_arrive_is_not_sent_again_without_a_pause) {
    open(false);
    set(&FakeBus::deliver, false);
    write(1);
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    EXPECT_GT(bus_.times_asked(dns), 2u);
    EXPECT_LT(bus_.times_asked(dns), 12u);
    expect_balance();
}

TEST_F(BusSinkTest, the_bound_of_memory_is_of_what_small_batches_hold_too) {
    set(&FakeBus::up, false, false);
    const size_t before = mallinfo2().uordblks;
    open(false, 4u << 20);
    for (int i = 0; i < 40'000; i++) write(1, RecordType::health);
    EXPECT_GT(sink_->stats().lost, 0u);
    EXPECT_GT(sink_->stats().waiting, 5000u);
    EXPECT_LT(mallinfo2().uordblks - before, 6u << 20);
}

TEST_F(BusSinkTest, a_kill_in_an_outage_costs_none_of_what_is_older_than_a_second) {
    const pid_t child = fork();
    if (child == 0) {
        bus_.up = false;
        open(true);
        write(300);
        if (sink_) until([&] { return sink_->stats().spooled_bytes >= 300 * 50; });
        ::kill(::getpid(), SIGKILL);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    open(true);
    ASSERT_TRUE(until([&] { return sink_->stats().delivered == 300; })) << sink_->stats().delivered;
    EXPECT_EQ(bus_.records(), 300u);
}

TEST_F(BusSinkTest, what_was_spooled_by_a_program_with_more_types_is_counted_as_lost) {
    uint16_t unknown = 1;
    while (type_of_number(unknown)) unknown++;
    {
        auto spool = Spool::open({directory_});
        ASSERT_TRUE(spool);
        for (uint64_t i = 0; i < 5; i++) {
            const bool strange = i == 1 || i == 4;
            ASSERT_TRUE((*spool)->append({7, i + 1, 1, strange ? unknown : type_number(RecordType::dns), 0}, "{}\n", 1));
        }
    }
    open(true);
    ASSERT_TRUE(until([&] { return sink_->stats().waiting == 0; })) << sink_->stats().waiting;
    EXPECT_EQ(sink_->stats().delivered, 3u);
    EXPECT_EQ(sink_->stats().lost, 2u);
    EXPECT_TRUE(until([&] { return sink_->stats().spooled_bytes == 0; }));
}

TEST(BatchTypes, each_has_a_number_of_its_own_on_disk) {
    for (size_t i = 0; i < record::type_count; i++) {
        const auto type = static_cast<RecordType>(i);
        EXPECT_EQ(type_of_number(type_number(type)), type) << record::info(type).name;
    }
    EXPECT_EQ(type_number(RecordType::flow), 13431) << "a number never changes";
}

}  // namespace
}  // namespace cvf::sink
