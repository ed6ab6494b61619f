// What a program says of its bus: once that it is away and why, and once that it is back.
#include "cli/bus_news.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <mutex>
#include <thread>

namespace cvf::cli {

namespace {

class StateOnly final : public bus::Bus {
 public:
    bus::Accepted publish(const bus::Message&) override { return bus::Accepted::down; }
    std::expected<std::unique_ptr<bus::Subscription>, std::string> subscribe(std::string_view, std::string_view,
                                                                             bus::OnMessage) override {
        return nullptr;
    }
    std::expected<uint64_t, std::string> put(std::string_view, std::string_view, std::string_view,
                                             std::optional<uint64_t>) override {
        return 0;
    }
    std::expected<void, std::string> remove(std::string_view, std::string_view, std::optional<uint64_t>) override { return {}; }
    std::expected<std::unique_ptr<bus::Subscription>, std::string> watch(std::string_view, bus::OnDocument) override {
        return nullptr;
    }
    bus::State state() const override {
        const std::lock_guard lock(mutex_);
        looks_++;
        return state_;
    }
    bool drain(std::chrono::milliseconds) override { return true; }

    // Sets the state and waits until it has been looked at.
    void become(bool connected, std::string why) {
        int before;
        {
            const std::lock_guard lock(mutex_);
            state_.connected = connected;
            state_.last_error = std::move(why);
            state_.server = "broker:1";
            before = looks_;
        }
        for (int i = 0; i < 3000; i++) {
            {
                const std::lock_guard lock(mutex_);
                if (looks_ >= before + 2) return;  // the first look has been dealt with
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        }
        FAIL() << "nobody looks";
    }

 private:
    mutable std::mutex mutex_;
    mutable int looks_ = 0;
    bus::State state_;
};

std::string said(bool quiet, const std::function<void(StateOnly&)>& life) {
    StateOnly bus;
    testing::internal::CaptureStderr();
    {
        const BusNews news(bus, "cvf agent", quiet);
        life(bus);
    }
    return testing::internal::GetCapturedStderr();
}

}  // namespace

TEST(BusNews, says_nothing_while_all_is_well) {
    EXPECT_EQ(said(false, [](StateOnly& bus) { bus.become(true, "something of long ago"); }), "");
}

TEST(BusNews, says_once_why_the_bus_is_away_and_once_that_it_is_back) {
    const auto life = [](StateOnly& bus) {
        bus.become(false, "broker:1: the broker refuses the login");
        bus.become(false, "broker:1: the broker refuses the login");
        bus.become(true, "");
    };
    const std::string away = "cvf agent: the bus is not connected: broker:1: the broker refuses the login; trying on\n";
    EXPECT_EQ(said(false, life), away + "cvf agent: connected to the bus at broker:1\n");
    EXPECT_EQ(said(true, life), away) << "quiet: only what went wrong";
}

TEST(BusNews, is_not_a_flood_where_reasons_take_turns) {
    const std::string text = said(false, [](StateOnly& bus) {
        for (int i = 0; i < 3; i++) bus.become(false, "reason " + std::to_string(i));
    });
    EXPECT_EQ(text, "cvf agent: the bus is not connected: reason 0; trying on\n");
}

}  // namespace cvf::cli
