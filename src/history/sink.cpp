#include "history/sink.h"

namespace cvf::history {
namespace {

class HistorySink final : public sink::Sink {
 public:
    explicit HistorySink(std::shared_ptr<History> history) : history_(std::move(history)) {}
    ~HistorySink() override { HistorySink::flush(); }

    void write(std::string_view lines, size_t) override { history_->write(lines); }
    void flush() override { history_->flush(); }
    void tick() override { history_->tick(); }
    bool needs_tick() const override { return true; }

    sink::SinkStats stats() const override {
        const Stats stats = history_->counters();
        return {.records_written = stats.written, .records_lost = stats.lost + stats.refused, .last_error = stats.last_error};
    }
    bool closed() const override { return false; }
    void interrupt() override { history_->interrupt(); }

 private:
    std::shared_ptr<History> history_;
};

}  // namespace

std::unique_ptr<sink::Sink> make_history_sink(std::shared_ptr<History> history) {
    return std::make_unique<HistorySink>(std::move(history));
}

}  // namespace cvf::history
