// The channel has a thread of its own, for queries wait for the disk and mutations for the bus; it also minds the time in which a
// client must begin. Destroying the channel stops a query under way and waits for the thread.
#include "api/graphql_channel.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "api/graphql_source.h"
#include "graphql/transport_ws.h"

namespace cvf::api {
namespace {

class GraphqlChannel final : public http::Channel {
 public:
    GraphqlChannel(api::State& state, controller::Who who, controller::Role role, std::shared_ptr<void> alive)
        : streams_(state, who, role), jobs_(state, who, role), alive_(std::move(alive)) {}
    ~GraphqlChannel() override {
        jobs_.stop();
        {
            const std::lock_guard lock(mutex_);
            stopping_ = true;
        }
        work_.notify_all();
        if (thread_.joinable()) thread_.join();
    }
    GraphqlChannel(const GraphqlChannel&) = delete;
    GraphqlChannel& operator=(const GraphqlChannel&) = delete;

    void start(http::Waker waker) override {
        waker_ = std::move(waker);
        transport_.emplace(graphql::fabric_schema(), streams_, graphql::Limits{}, waker_);
        thread_ = std::thread([this] { run(); });
    }

    void receive(std::string_view message, bool text) override {
        transport_->receive(message, text);
        bool any = false;
        {
            const std::lock_guard lock(mutex_);
            while (auto job = transport_->take_job()) {
                waiting_.push_back(std::move(*job));
                any = true;
            }
        }
        if (any) work_.notify_all();
    }

    Message next() override {
        std::deque<Finished> finished;
        {
            const std::lock_guard lock(mutex_);
            finished.swap(finished_);
            if (init_over_) transport_->init_time_over();
        }
        for (Finished& one : finished) transport_->finish(one.job, std::move(one.result));
        if (auto message = transport_->next()) {
            out_ = std::move(*message);
            return {State::more, out_};
        }
        if (const auto& closed = transport_->closed()) return {State::close, closed->reason, true, closed->code};
        return {};
    }

 private:
    struct Finished {
        graphql::Transport::Job job;
        boost::json::object result;
    };

    void run() {
        std::unique_lock lock(mutex_);
        const auto init_until = std::chrono::steady_clock::now() + graphql::transport_init_time;
        for (;;) {
            const auto due = [&] { return stopping_ || !waiting_.empty(); };
            if (init_over_) {
                work_.wait(lock, due);
            } else if (!work_.wait_until(lock, init_until, due)) {
                init_over_ = true;
                waker_();
                continue;
            }
            if (stopping_) return;
            graphql::Transport::Job job = std::move(waiting_.front());
            waiting_.pop_front();
            lock.unlock();
            boost::json::object result = job.run(jobs_);
            lock.lock();
            finished_.push_back({std::move(job), std::move(result)});
            waker_();
        }
    }

    GraphqlSource streams_, jobs_;  // the server's thread; thread_
    const std::shared_ptr<void> alive_;
    http::Waker waker_;
    std::optional<graphql::Transport> transport_;
    std::string out_;

    std::mutex mutex_;
    std::condition_variable work_;
    std::deque<graphql::Transport::Job> waiting_;
    std::deque<Finished> finished_;
    bool stopping_ = false, init_over_ = false;
    std::thread thread_;
};

}  // namespace

std::unique_ptr<http::Channel> make_graphql_channel(State& state, controller::Who who, controller::Role role,
                                                    std::shared_ptr<void> alive) {
    return std::make_unique<GraphqlChannel>(state, std::move(who), role, std::move(alive));
}

}  // namespace cvf::api
