#include "api/record_stream.h"

#include <fmt/format.h>

#include <utility>

namespace cvf::api {

class RecordSource final : public http::BodySource {
 public:
    RecordSource(sink::Hub& hub, sink::SubscriptionOptions options, Streams& streams, Framing framing,
                 std::shared_ptr<void> alive)
        : hub_(hub), options_(std::move(options)), streams_(streams), framing_(framing), alive_(std::move(alive)) {
        if (framing_ == Framing::events) {
            options_.before_line = "data: ";
            options_.after_line = "\n";
        }
        streams_.open_.insert(this);
    }
    ~RecordSource() override {
        streams_.open_.erase(this);
        if (!subscription_) return;
        hub_.unsubscribe(subscription_);
        streams_.lost_before_ += lost();
        streams_.sent_before_ += sent();
    }
    RecordSource(const RecordSource&) = delete;
    RecordSource& operator=(const RecordSource&) = delete;

    void start(http::Waker waker) override {
        options_.wake = std::move(waker);
        subscription_ = hub_.subscribe(std::move(options_));
    }

    Piece next() override {
        if (!greeted_) {
            greeted_ = true;
            return {State::more, framing_ == Framing::events ? ": records follow\n\n" : "\n"};
        }
        if (held_) return {State::more, std::exchange(held_, nullptr)->view()};
        const auto taken = subscription_->take();
        sent_ += taken.records;
        if (taken.lost_before > 0) {
            text_ = framing_ == Framing::events ? fmt::format("event: lost\ndata: {{\"lost\":{}}}\n\n", taken.lost_before)
                                                : fmt::format("{{\"lost\":{}}}\n", taken.lost_before);
            held_ = taken.batch;
            return {State::more, text_};
        }
        if (taken.batch) return {State::more, taken.batch->view()};
        return {State::wait, {}};
    }
    std::string_view idle() override { return framing_ == Framing::events ? ":\n\n" : "\n"; }

    uint64_t lost() const { return subscription_ ? subscription_->lost() : 0; }
    uint64_t sent() const { return sent_; }

 private:
    sink::Hub& hub_;
    sink::SubscriptionOptions options_;
    Streams& streams_;
    const Framing framing_;
    const std::shared_ptr<void> alive_;
    std::shared_ptr<sink::Subscription> subscription_;
    const record::Buffer* held_ = nullptr;
    std::string text_;
    uint64_t sent_ = 0;
    bool greeted_ = false;
};

uint64_t Streams::lost() const {
    uint64_t n = lost_before_;
    for (const RecordSource* source : open_) n += source->lost();
    return n;
}

uint64_t Streams::sent() const {
    uint64_t n = sent_before_;
    for (const RecordSource* source : open_) n += source->sent();
    return n;
}

std::unique_ptr<http::BodySource> make_record_source(sink::Hub& hub, sink::SubscriptionOptions options, Streams& streams,
                                                     Framing framing, std::shared_ptr<void> alive) {
    return std::make_unique<RecordSource>(hub, std::move(options), streams, framing, std::move(alive));
}

}  // namespace cvf::api
