#include "api/graphql_channel.h"

#include <exception>
#include <mutex>

#include "api/authentication.h"
#include "api/graphql_source.h"
#include "api/threads.h"
#include "api/watchers.h"
#include "graphql/transport_ws.h"

namespace cvf::api {
namespace {

using Clock = std::chrono::steady_clock;
using graphql::Transport;
constexpr auto ask_again = std::chrono::seconds(5);

// What a job's thread and the channel share; the thread may outlive the channel.
struct Box {
    std::mutex mutex;
    std::optional<Transport::Result> result;
};

boost::json::array failure(std::string_view message) {
    return {boost::json::object{{"message", message}, {"extensions", boost::json::object{{"code", "UNAVAILABLE"}}}}};
}

class GraphqlChannel final : public http::Channel {
 public:
    GraphqlChannel(api::State& state, Credentials credentials, std::shared_ptr<void> seat)
        : state_(state), credentials_(std::move(credentials)), seat_(std::move(seat)) {}
    ~GraphqlChannel() override {
        if (stop_) *stop_ = true;
    }
    GraphqlChannel(const GraphqlChannel&) = delete;
    GraphqlChannel& operator=(const GraphqlChannel&) = delete;

    void start(http::Waker waker) override {
        waker_ = std::move(waker);
        transport_.emplace(Transport::Owner{[this](const std::string* authorization) { return let(authorization); },
                                            [this]() -> graphql::Source& {
                                                streams_.emplace(state_, who_, role_);
                                                return *streams_;
                                            }},
                           graphql::Limits{}, waker_);
    }

    void receive(std::string_view message, bool text) override {
        transport_->receive(message, text);
        begin_job();
    }

    Message next() override {
        std::optional<Transport::Result> result;
        {
            const std::lock_guard lock(box_->mutex);
            result.swap(box_->result);
        }
        if (result) {
            stop_.reset();
            transport_->finish(std::move(*result));
        }
        const auto now = Clock::now();
        if (!transport_->acknowledged() && now >= init_until_) transport_->init_time_over();
        if (transport_->acknowledged() && now - asked_at_ >= ask_again)
            if (auto no = let(nullptr)) transport_->close(no->code, std::move(no->reason));
        if (auto message = transport_->next()) {
            out_ = std::move(*message);
            return {State::more, out_};
        }
        if (const auto& closed = transport_->closed()) {
            if (stop_) *stop_ = true;
            return {State::close, closed->reason, true, closed->code};
        }
        begin_job();
        const auto until = transport_->acknowledged() ? asked_at_ + ask_again : init_until_;
        return {.again =
                    std::max(std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()), std::chrono::milliseconds(1))};
    }

 private:
    // Who it is now, by what it said in the beginning.
    std::optional<Transport::Closed> let(const std::string* authorization) {
        if (authorization && !authorization->empty()) credentials_.authorization = *authorization;
        asked_at_ = Clock::now();
        const auto who = state_.authentication->identify(credentials_.authorization, credentials_.client_name);
        if (!who) {
            state_.refused(401, credentials_.authorization.empty() ? "no token" : "wrong token");
            return Transport::Closed{4403, "Forbidden"};
        }
        who_ = {who->name, std::string(controller::name_of(who->role)), credentials_.from};
        role_ = who->role;
        if (!seat_) seat_ = take_watcher(state_);
        if (!seat_) {
            state_.refused(503, "graphql");
            return Transport::Closed{1013, no_watcher(state_).detail};
        }
        return std::nullopt;
    }

    void begin_job() {
        if (stop_ && !transport_->wanted()) *stop_ = true;
        auto job = transport_->take_job();
        if (!job) return;
        stop_ = std::make_shared<std::atomic<bool>>(false);
        const bool begun = state_.threads->begin(
            "cvf-graphql",
            [job = std::move(*job), source = std::make_shared<GraphqlSource>(state_, who_, role_, stop_), box = box_,
             waker = waker_] {
                Transport::Result result;
                try {
                    result = job.run(graphql::fabric_schema(), graphql::Limits{}, *source);
                } catch (const std::exception&) {
                    result = {nullptr, failure("internal error"), {}};
                }
                {
                    const std::lock_guard lock(box->mutex);
                    box->result = std::move(result);
                }
                waker();
            },
            [stop = stop_] { *stop = true; });
        if (begun) return;
        stop_.reset();
        transport_->finish({nullptr, failure("no thread is to be had for it; try again"), {}});
        waker_();
    }

    api::State& state_;
    Credentials credentials_;
    std::shared_ptr<void> seat_;
    controller::Who who_;
    controller::Role role_ = controller::Role::viewer;
    const Clock::time_point init_until_ = Clock::now() + graphql::transport_init_time;
    Clock::time_point asked_at_{};
    http::Waker waker_;
    std::optional<GraphqlSource> streams_;
    std::optional<Transport> transport_;
    std::string out_;
    const std::shared_ptr<Box> box_ = std::make_shared<Box>();
    std::shared_ptr<std::atomic<bool>> stop_;  // of the job under way; null: none is
};

}  // namespace

std::unique_ptr<http::Channel> make_graphql_channel(State& state, Credentials credentials, std::shared_ptr<void> seat) {
    return std::make_unique<GraphqlChannel>(state, std::move(credentials), std::move(seat));
}

}  // namespace cvf::api
