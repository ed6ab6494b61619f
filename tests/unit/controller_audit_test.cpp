// The audit trail on a bus that refuses, that is away, and that tells of an entry before it says that it has taken it.
#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <thread>

#include "bus/subjects.h"
#include "controller/audit.h"

namespace cvf::controller {
namespace {

using namespace std::chrono_literals;

class OddBus final : public bus::Bus {
 public:
    std::atomic<bool> away{false}, tells_first{false};
    std::atomic<int> tries{0};

    bus::Accepted publish(const bus::Message&) override { return {}; }
    std::expected<std::unique_ptr<bus::Subscription>, std::string> subscribe(std::string_view, std::string_view,
                                                                             bus::OnMessage) override {
        return std::unexpected("not here");
    }
    std::expected<uint64_t, std::string> put(std::string_view, std::string_view key, std::string_view value,
                                             std::optional<uint64_t>) override {
        ++tries;
        if (away || value.find("\"never\"") != std::string_view::npos) return std::unexpected("no");
        const bus::Document document{key, value, 1, false};
        if (tells_first) {
            handler_(&document);
            std::this_thread::sleep_for(100ms);
        }
        const std::lock_guard lock(mutex_);
        kept_.emplace_back(value);
        return kept_.size();
    }
    std::expected<void, std::string> remove(std::string_view, std::string_view, std::optional<uint64_t>) override { return {}; }
    std::expected<std::unique_ptr<bus::Subscription>, std::string> watch(std::string_view, bus::OnDocument handler) override {
        handler_ = std::move(handler);
        return std::make_unique<bus::Subscription>();
    }
    bus::State state() const override {
        bus::State out;
        out.connected = !away;
        return out;
    }
    bool drain(std::chrono::milliseconds) override { return true; }
    size_t kept() {
        const std::lock_guard lock(mutex_);
        return kept_.size();
    }

 private:
    bus::OnDocument handler_;
    std::mutex mutex_;
    std::vector<std::string> kept_;
};

AuditEntry entry(std::string object) {
    AuditEntry out;
    out.who = {"someone", "viewer", "here"};
    out.action = "apply";
    out.object = std::move(object);
    out.outcome = "refused";
    return out;
}

template <typename Condition>
bool soon(Condition condition) {
    for (int i = 0; i < 1000; ++i) {
        if (condition()) return true;
        std::this_thread::sleep_for(10ms);
    }
    return false;
}

TEST(Audit, GoesOnBehindAnEntryThatTheBusNeverTakes) {
    OddBus bus;
    const auto audit = std::move(*Audit::open(bus));
    audit->note(entry("never"));
    audit->note(entry("good"));
    EXPECT_TRUE(soon([&] { return bus.kept() == 1; }));
    EXPECT_EQ(audit->lost(), 1u);
}

TEST(Audit, CutsTextsBetweenCharactersAndMakesThemUtf8) {
    OddBus bus;
    const auto audit = std::move(*Audit::open(bus));
    audit->note(entry("a\xff" + std::string(1'000'000, 'x')));
    audit->note(entry(std::string(audit_text_bytes - 1, 'x') + "\xc3\xa4"));
    EXPECT_TRUE(soon([&] { return bus.kept() == 2; }));
    const auto all = audit->newest(2);
    EXPECT_TRUE(all[1].object.starts_with("a\\xffxxx"));
    EXPECT_EQ(all[1].object.size(), audit_text_bytes);
    EXPECT_EQ(all[0].object, std::string(audit_text_bytes - 1, 'x'));
}

TEST(Audit, HasAnEntryOnceHoweverItIsTold) {
    OddBus bus;
    bus.tells_first = true;
    const auto audit = std::move(*Audit::open(bus));
    for (int i = 0; i < 5; ++i) audit->note(entry(std::to_string(i)));
    bool once = true;
    EXPECT_TRUE(soon([&] {
        once = once && audit->newest(100).size() == 5;
        return bus.kept() == 5;
    }));
    EXPECT_TRUE(once);
    EXPECT_EQ(audit->newest(1).at(0).object, "4");
}

TEST(Audit, WaitsForABusThatIsAwayWithinBoundsAndIsDrainedAtTheEnd) {
    OddBus bus;
    bus.away = true;
    auto audit = std::move(*Audit::open(bus));
    for (int i = 0; i < 1200; ++i) audit->note(entry(std::to_string(i)));
    EXPECT_EQ(audit->lost(), 200u);
    EXPECT_TRUE(soon([&] { return bus.tries > 0; }));
    bus.away = false;
    audit.reset();
    EXPECT_EQ(bus.kept(), 1000u);
    bus.away = true;
    audit = std::move(*Audit::open(bus));
    audit->note(entry("x"));
    const auto before = std::chrono::steady_clock::now();
    audit.reset();
    EXPECT_LT(std::chrono::steady_clock::now() - before, 3s) << "nobody is coming back for it";
}

}  // namespace
}  // namespace cvf::controller
