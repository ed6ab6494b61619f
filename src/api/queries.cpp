#include "api/queries.h"

#include <condition_variable>
#include <exception>
#include <string>

#include "api/problem.h"
#include "http/workers.h"

namespace cvf::api {
namespace {

using Clock = std::chrono::steady_clock;
constexpr size_t piece_bytes = 32 * 1024;
constexpr auto hold_back = std::chrono::milliseconds(200);  // how long a few rows wait for more
constexpr auto answer_after = std::chrono::seconds(1);      // a client must not take us for dead
constexpr auto progress_every = std::chrono::milliseconds(200);

}  // namespace

// One query: made by its thread, taken by the server's.
struct Queries::Run {
    Run(history::Query asked, Form wanted, http::Reply answer, const QueryLimits& bounds)
        : query(std::move(asked)), form(wanted), reply(std::move(answer)), limits(bounds), writer(wanted, query) {}

    const history::Query query;
    const Form form;
    http::Reply reply;  // empty once it was called
    const QueryLimits limits;
    AnswerWriter writer;  // the query's thread; sign_of_life() any
    std::string making;   // likewise
    const Clock::time_point begun = Clock::now();
    Clock::time_point pushed = begun, told = begun;

    std::mutex mutex;
    std::condition_variable taken;
    std::string ready;
    bool ended = false, broken = false, cancelled = false, finished = false;
    bool late = false;  // the query's thread
    http::Waker waker;
    std::shared_ptr<Run> self;  // until the reply

    void answer(const history::History& history);
    void abandon();
    bool push();
    bool stopped() {
        const std::lock_guard lock(mutex);
        return cancelled;
    }
    void cancel() {
        {
            const std::lock_guard lock(mutex);
            cancelled = true;
        }
        taken.notify_all();
    }
};

class Queries::Source final : public http::BodySource {
 public:
    explicit Source(std::shared_ptr<Run> run) : run_(std::move(run)) {}
    ~Source() override { run_->cancel(); }
    Source(const Source&) = delete;
    Source& operator=(const Source&) = delete;

    void start(http::Waker waker) override {
        const std::lock_guard lock(run_->mutex);
        run_->waker = std::move(waker);
    }
    Piece next() override {
        {
            const std::lock_guard lock(run_->mutex);
            piece_.clear();
            piece_.swap(run_->ready);
            if (piece_.empty()) return {run_->broken ? State::broken : run_->ended ? State::end : State::wait, {}};
        }
        run_->taken.notify_all();
        return {State::more, piece_};
    }
    std::string_view idle() override { return run_->writer.sign_of_life(); }

 private:
    const std::shared_ptr<Run> run_;
    std::string piece_;
};

// Hands on what was made. False: go no further.
bool Queries::Run::push() {
    pushed = Clock::now();
    if (reply) {
        http::OutgoingResponse response;
        response.content_type = media_type(form);
        response.headers.push_back({"Cache-Control", "no-store"});
        response.source = std::make_unique<Source>(self);
        self.reset();
        std::exchange(reply, nullptr)(std::move(response));
    }
    std::unique_lock lock(mutex);
    const auto room = [&] { return cancelled || ready.size() < limits.waiting_bytes; };
    late = !taken.wait_until(lock, begun + limits.longest + limits.slack, room) || late;
    if (cancelled || !room()) return false;
    ready += making;
    making.clear();
    if (waker) waker();
    return true;
}

void Queries::Run::answer(const history::History& history) {
    const auto go_on = [&] {
        if (Clock::now() - begun > limits.longest) late = true;
        return !late && !stopped();
    };
    const auto due = [&] {
        if (making.size() >= piece_bytes) return true;
        const auto now = Clock::now();
        if (!reply) return !making.empty() && now - pushed >= hold_back;
        return now - begun >= (writer.rows() > 0 || form == Form::events ? Clock::duration(hold_back) : answer_after);
    };
    history::Receiver receiver;
    receiver.row = [&](std::string_view line) {
        writer.row(line, making);
        return go_on() && (!due() || push());
    };
    receiver.table = [&](const history::Table& table, bool final) {
        writer.table(table, final, making);
        return form != Form::events || final ? go_on() : push();
    };
    receiver.progress = [&](const history::Progress& progress) {
        if (!go_on()) return false;
        const auto now = Clock::now();
        if (now - told >= progress_every) {
            told = now;
            writer.progress(progress, making);
        }
        return !due() || push();
    };
    writer.begin(making);
    std::string error;
    try {
        auto done = history.query(query, receiver);
        if (!done)
            error = std::move(done.error());
        else if (late)
            error = "it took longer than a query may; ask for less, or for a shorter time";
        else
            writer.end(*done, making);
    } catch (const std::exception&) {
        error = "the history could not answer";
    }
    if (reply) {
        http::OutgoingResponse response;
        if (error.empty()) {
            response.content_type = media_type(form);
            response.headers.push_back({"Cache-Control", "no-store"});
            response.body = std::move(making);
        } else {
            response = to_response({.status = 503, .title = "Query failed", .detail = error});
        }
        self.reset();
        std::exchange(reply, nullptr)(std::move(response));
        finished = error.empty();
        return;
    }
    if (!error.empty()) {
        making.clear();
        writer.failed(error, making);
    }
    const bool whole = push();
    const std::lock_guard lock(mutex);
    ended = true;
    finished = whole && error.empty();
    broken = !whole || (!error.empty() && form != Form::events);
    if (waker) waker();
}

// Without memory there is no answer; nobody is to take what there is of it for whole.
void Queries::Run::abandon() {
    reply = nullptr;
    self.reset();
    const std::lock_guard lock(mutex);
    ended = broken = true;
    if (waker) waker();
}

std::optional<Queries::Place> Queries::enter() {
    if (running_.fetch_add(1) < limits_.at_once) return std::optional<Place>(std::in_place, *this);
    --running_;
    return std::nullopt;
}

bool Queries::begin(const history::History& history, history::Query query, Form form, http::Reply reply) {
    auto place = enter();
    if (!place) return false;
    auto run = std::make_shared<Run>(std::move(query), form, std::move(reply), limits_);
    run->self = run;
    const bool begun = threads_.begin(
        "cvf-query",
        [run, &history, place = std::make_shared<Place>(std::move(*place))] {
            try {
                run->answer(history);
            } catch (const std::exception&) {
                run->abandon();
            }
            place->done(run->finished);
        },
        [run] { run->cancel(); });
    if (!begun) {
        run->reply = nullptr;
        run->self.reset();
    }
    return begun;
}

}  // namespace cvf::api
