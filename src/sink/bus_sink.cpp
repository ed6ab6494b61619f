#include "sink/bus_sink.h"

#include <vector>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "sink/bus_queue.h"

namespace cvf::sink {

namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t most_spare = 64;

// A batch being filled.
struct Filling {
    std::unique_ptr<record::Buffer> bytes;
    uint32_t records = 0;
    Clock::time_point since;
    uint64_t next_sequence = 1;  // of the next batch's first record
};

class BatchingSink final : public BusSink {
 public:
    BatchingSink(BusSinkOptions options, bus::Bus& bus, std::unique_ptr<Spool> spool)
        : options_(std::move(options)),
          filling_(record::type_count * options_.lanes),
          queue_({.node = options_.node,
                  .memory_bytes = options_.memory_bytes,
                  .give_up = options_.give_up,
                  .complain = options_.complain ? options_.complain : complain_on_stderr},
                 bus, std::move(spool)) {}

    ~BatchingSink() override {
        if (!finished_) seal_all();
    }

    size_t write(const record::Record& record, const record::Projection* fields) override {
        const size_t index = static_cast<size_t>(record.type()) * options_.lanes + lane_of(record);
        Filling& filling = filling_[index];
        if (!filling.bytes) begin(filling);
        record::Buffer& bytes = *filling.bytes;
        const size_t before = bytes.size();
        record::write_json(record, fields, bytes);
        filling.records++;
        const size_t size = bytes.size() - before;
        if (bytes.size() >= options_.batch_bytes) seal(index);
        return size;
    }

    void flush() override {
        if (begun_ == 0) return;
        const Clock::time_point due = Clock::now() - options_.linger;
        for (size_t i = 0; i < filling_.size(); i++)
            if (filling_[i].bytes && filling_[i].since <= due) seal(i);
    }

    void finish(std::chrono::milliseconds wait) override {
        finished_ = true;
        seal_all();
        queue_.finish(wait);
    }

    void settled(const bus::Settled& settled) override { queue_.settled(settled); }
    void connection_changed() override { queue_.connection_changed(); }
    RecordSinkStats stats() const override { return queue_.stats(); }

 private:
    size_t lane_of(const record::Record& record) const {
        if (options_.lanes == 1) return 0;
        const record::Value* id = record.lookup(record::Field::flow_id);
        if (!id) id = record.lookup(record::Field::record_id);
        return id ? XXH3_64bits(id->text, id->size) % options_.lanes : 0;
    }

    void begin(Filling& filling) {
        if (spare_.empty()) {
            filling.bytes = std::make_unique<record::Buffer>();
        } else {
            filling.bytes = std::move(spare_.back());
            spare_.pop_back();
        }
        filling.since = Clock::now();
        begun_++;
    }

    // The batch gets memory of its own size: at low rates it is much smaller than a buffer that once was full.
    void seal(size_t index) {
        Filling& filling = filling_[index];
        auto batch = std::make_unique<Batch>();
        batch->type = static_cast<record::RecordType>(index / options_.lanes);
        batch->head = {.instance = options_.instance,
                       .first_sequence = filling.next_sequence,
                       .records = filling.records,
                       .type = type_number(batch->type),
                       .lane = static_cast<uint16_t>(index % options_.lanes)};
        batch->bytes = filling.bytes->view();
        filling.next_sequence += filling.records;
        filling.records = 0;
        filling.bytes->clear();
        if (spare_.size() < most_spare) spare_.push_back(std::move(filling.bytes));
        filling.bytes.reset();
        begun_--;
        queue_.put(std::move(batch));
    }

    void seal_all() {
        for (size_t i = 0; i < filling_.size(); i++)
            if (filling_[i].bytes) seal(i);
    }

    const BusSinkOptions options_;
    std::vector<Filling> filling_;  // by type and lane
    std::vector<std::unique_ptr<record::Buffer>> spare_;
    size_t begun_ = 0;
    bool finished_ = false;
    BusQueue queue_;
};

}  // namespace

std::expected<std::unique_ptr<BusSink>, std::string> BusSink::open(BusSinkOptions options, bus::Bus& bus) {
    std::unique_ptr<Spool> spool;
    if (!options.spool.directory.empty() && options.spool.limit_bytes > 0) {
        auto opened = Spool::open(options.spool);
        if (!opened) return std::unexpected(opened.error());
        spool = std::move(*opened);
    }
    return std::make_unique<BatchingSink>(std::move(options), bus, std::move(spool));
}

}  // namespace cvf::sink
