#include "api/record_stream.h"

#include <fmt/format.h>

#include <chrono>
#include <utility>

namespace cvf::api {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto ask_again = std::chrono::seconds(5);

class RecordSource final : public http::BodySource {
 public:
    RecordSource(std::unique_ptr<LiveReader> reader, Framing framing, std::function<bool()> still_let)
        : reader_(std::move(reader)), framing_(framing), still_let_(std::move(still_let)) {}

    void start(http::Waker waker) override { reader_->begin(std::move(waker)); }

    Piece next() override {
        if (!greeted_) {
            greeted_ = true;
            return {State::more, framing_ == Framing::events ? ": records follow\n\n" : "\n"};
        }
        if (held_) return {State::more, std::exchange(held_, nullptr)->view()};
        if (const auto now = Clock::now(); now - asked_at_ >= ask_again) {
            asked_at_ = now;
            if (!still_let_()) return {State::end, {}};
        }
        const auto taken = reader_->take();
        if (taken.lost_before > 0) {
            text_ = framing_ == Framing::events ? fmt::format("event: lost\ndata: {{\"lost\":{}}}\n\n", taken.lost_before)
                                                : fmt::format("{{\"lost\":{}}}\n", taken.lost_before);
            held_ = taken.batch;
            return {State::more, text_};
        }
        if (taken.batch) return {State::more, taken.batch->view()};
        return {State::wait, {}};
    }
    std::chrono::milliseconds idle_time() const override { return ask_again; }
    std::string_view idle() override { return framing_ == Framing::events ? ":\n\n" : "\n"; }

 private:
    const std::unique_ptr<LiveReader> reader_;
    const Framing framing_;
    const std::function<bool()> still_let_;
    Clock::time_point asked_at_ = Clock::now();
    const record::Buffer* held_ = nullptr;
    std::string text_;
    bool greeted_ = false;
};

}  // namespace

void frame(sink::SubscriptionOptions& options, Framing framing) {
    if (framing != Framing::events) return;
    options.before_line = "data: ";
    options.after_line = "\n";
}

std::unique_ptr<http::BodySource> make_record_source(std::unique_ptr<LiveReader> reader, Framing framing,
                                                     std::function<bool()> still_let) {
    return std::make_unique<RecordSource>(std::move(reader), framing, std::move(still_let));
}

}  // namespace cvf::api
