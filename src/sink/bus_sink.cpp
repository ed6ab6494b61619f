#include "sink/bus_sink.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "bus/subjects.h"

namespace cvf::sink {

namespace {

using Clock = std::chrono::steady_clock;
using record::RecordType;

// How much of memory and spool a type may fill: what people miss most is shed last.
double share_of(RecordType type) {
    switch (type) {
        case RecordType::health:
            return 1;
        case RecordType::flow:
            return 0.95;
        default:
            return 0.85;
    }
}

struct Batch {
    enum class State : uint8_t { waiting, sent, arrived };
    BatchHead head;
    record::Buffer bytes;
    State state = State::waiting;
    bool spooled = false;  // has an entry in the spool, to be popped
};
using BatchPtr = std::unique_ptr<Batch>;

struct Open {
    BatchPtr batch;
    Clock::time_point since;
    uint64_t next_sequence = 1;
};

class QueuedBusSink final : public BusSink {
 public:
    QueuedBusSink(BusSinkOptions options, bus::Bus& bus, std::unique_ptr<Spool> spool)
        : options_(std::move(options)), bus_(bus), spool_(std::move(spool)), open_(record::type_count * options_.lanes) {
        for (size_t i = 0; i < record::type_count; i++)
            subjects_[i] = bus::subject::records(record::info(static_cast<RecordType>(i)).name, options_.node);
        if (!options_.complain) options_.complain = complain_on_stderr;
        if (spool_) {
            const SpoolStats found = spool_->stats();
            given_ = found.records;
            spooled_bytes_ = found.bytes;
            unread_ = found.entries;
        }
        thread_ = std::thread([this] { work(); });
    }

    ~QueuedBusSink() override {
        if (!finished_) finish(std::chrono::milliseconds(0));
    }

    size_t write(const record::Record& record, const record::Projection* fields) override {
        Open& open = open_[static_cast<size_t>(record.type()) * options_.lanes + lane_of(record)];
        if (!open.batch) begin(open);
        record::Buffer& bytes = open.batch->bytes;
        const size_t before = bytes.size();
        record::write_json(record, fields, bytes);
        open.batch->head.records++;
        const size_t size = bytes.size() - before;
        if (bytes.size() >= options_.batch_bytes) seal(static_cast<size_t>(&open - open_.data()));
        return size;
    }

    void flush() override {
        if (begun_ == 0) return;
        const Clock::time_point due = Clock::now() - options_.linger;
        for (size_t i = 0; i < open_.size(); i++)
            if (open_[i].batch && open_[i].since <= due) seal(i);
    }

    void finish(std::chrono::milliseconds wait) override {
        finished_ = true;
        for (size_t i = 0; i < open_.size(); i++)
            if (open_[i].batch) seal(i);
        {
            std::unique_lock lock(mutex_);
            idle_.wait_for(lock, wait, [&] { return incoming_.empty() && queue_.empty() && unread_ == 0; });
            stop_ = true;
            wake_.notify_all();
        }
        thread_.join();
        // What is in flight may be settled until now; what has not arrived is kept on disk, in order, where there is one.
        std::lock_guard lock(mutex_);
        closed_ = true;
        for (const BatchPtr& batch : queue_)
            if (batch->state != Batch::State::arrived && !batch->spooled) keep_or_lose(*batch);
        for (const BatchPtr& batch : incoming_) keep_or_lose(*batch);
        queue_.clear();
        incoming_.clear();
        if (spool_) spool_->tick();
    }

    void settled(const bus::Settled& settled) override {
        std::lock_guard lock(mutex_);
        if (closed_ || settled.token < first_token_ || settled.token - first_token_ >= queue_.size()) return;
        const size_t index = settled.token - first_token_;
        Batch& batch = *queue_[index];
        if (batch.state == Batch::State::arrived) return;
        if (settled.delivered) {
            batch.state = Batch::State::arrived;
            delivered_ += batch.head.records;
        } else {
            batch.state = Batch::State::waiting;
            next_ = std::min(next_, index);
        }
        wake();
    }

    void connection_changed() override {
        std::lock_guard lock(mutex_);
        wake();
    }

    RecordSinkStats stats() const override {
        std::lock_guard lock(mutex_);
        RecordSinkStats stats;
        stats.given = given_;
        stats.delivered = delivered_;
        stats.lost = lost_;
        stats.bytes = bytes_;
        stats.waiting = given_ - std::min(given_, delivered_ + lost_);
        stats.spooled_bytes = spooled_bytes_;
        const bus::State state = bus_.state();
        stats.connected = state.connected;
        stats.last_error = !state.connected ? state.last_error : spool_error_;
        return stats;
    }

 private:
    size_t lane_of(const record::Record& record) const {
        if (options_.lanes == 1) return 0;
        const record::Value* id = record.lookup(record::Field::flow_id);
        if (!id) id = record.lookup(record::Field::record_id);
        return id ? XXH3_64bits(id->text, id->size) % options_.lanes : 0;
    }

    void begin(Open& open) {
        {
            std::lock_guard lock(mutex_);
            if (!spare_.empty()) {
                open.batch = std::move(spare_.back());
                spare_.pop_back();
            }
        }
        if (!open.batch) open.batch = std::make_unique<Batch>();
        open.batch->bytes.clear();
        open.batch->head = {};
        open.batch->state = Batch::State::waiting;
        open.batch->spooled = false;
        open.since = Clock::now();
        begun_++;
    }

    void seal(size_t index) {
        Open& open = open_[index];
        BatchPtr batch = std::move(open.batch);
        begun_--;
        batch->head.instance = options_.instance;
        batch->head.type = static_cast<uint16_t>(index / options_.lanes);
        batch->head.lane = static_cast<uint16_t>(index % options_.lanes);
        batch->head.first_sequence = open.next_sequence;
        open.next_sequence += batch->head.records;
        std::lock_guard lock(mutex_);
        given_ += batch->head.records;
        bytes_ += batch->bytes.size();
        const double room = static_cast<double>(options_.memory_bytes) * share_of(static_cast<RecordType>(batch->head.type));
        if (static_cast<double>(memory_ + batch->bytes.size()) > room) {
            lose(*batch);
            recycle(std::move(batch));
            return;
        }
        memory_ += batch->bytes.size();
        incoming_.push_back(std::move(batch));
        wake();
    }

    // Under the mutex, from here on.
    void wake() {
        if (sleeping_) wake_.notify_one();
        work_due_ = true;
    }

    void lose(const Batch& batch) {
        if (lost_ == 0)
            options_.complain(
                "records for the bus are being lost, for there is no room left to keep them; the count is published");
        lost_ += batch.head.records;
    }

    void recycle(BatchPtr batch) {
        if (spare_.size() < 64) spare_.push_back(std::move(batch));
    }

    void keep_or_lose(const Batch& batch) {
        if (spool_ && spool_->append(batch.head, batch.bytes.view(), 1))
            spooled_bytes_ = spool_->stats().bytes;
        else
            lose(batch);
    }

    // The thread's turn: takes what came, settles the spool, publishes.
    void work() {
        std::unique_lock lock(mutex_);
        auto next_tick = Clock::now() + std::chrono::seconds(1);
        while (!stop_) {
            work_due_ = false;
            retire();
            if (spool_)
                through_spool(lock);
            else
                while (!incoming_.empty()) {
                    queue_.push_back(std::move(incoming_.front()));
                    incoming_.pop_front();
                }
            const bool stuck = !publish_waiting(lock);
            if (queue_.empty() && incoming_.empty() && unread_ == 0) idle_.notify_all();
            if (spool_ && Clock::now() >= next_tick) {
                lock.unlock();
                spool_->tick();
                lock.lock();
                next_tick = Clock::now() + std::chrono::seconds(1);
            }
            if (work_due_ || stop_) continue;
            sleeping_ = true;
            wake_.wait_for(lock, stuck ? std::chrono::milliseconds(20) : std::chrono::milliseconds(200));
            sleeping_ = false;
        }
    }

    // Takes batches that have arrived off the front.
    void retire() {
        while (!queue_.empty() && queue_.front()->state == Batch::State::arrived) {
            BatchPtr batch = std::move(queue_.front());
            queue_.pop_front();
            first_token_++;
            if (next_ > 0) next_--;
            memory_ -= batch->bytes.size();
            if (batch->spooled) pops_++;
            recycle(std::move(batch));
        }
    }

    // While anything waits on disk, what comes goes behind it; memory is then filled from there.
    void through_spool(std::unique_lock<std::mutex>& lock) {
        std::deque<BatchPtr> taken;
        const size_t queued = memory_ - bytes_in(incoming_);
        const bool to_disk = unread_ > 0 || queued > options_.memory_bytes / 2;
        taken.swap(incoming_);
        if (!to_disk) {
            for (BatchPtr& batch : taken) queue_.push_back(std::move(batch));
            taken.clear();
        }
        size_t pops = std::exchange(pops_, 0);
        const size_t room = options_.memory_bytes / 2 > queued ? options_.memory_bytes / 2 - queued : 0;
        if (taken.empty() && pops == 0 && (unread_ == 0 || room == 0)) return;
        lock.unlock();
        std::vector<BatchPtr> lost, kept, read;
        for (BatchPtr& batch : taken) {
            const bool good =
                spool_->append(batch->head, batch->bytes.view(), share_of(static_cast<RecordType>(batch->head.type)));
            (good ? kept : lost).push_back(std::move(batch));
        }
        for (; pops > 0; pops--) spool_->pop();
        size_t used = 0;
        while (used < room) {
            auto batch = std::make_unique<Batch>();
            if (!spool_->read(batch->head, batch->bytes)) break;
            if (batch->head.type >= record::type_count) {  // of a program that knew more types
                spool_->pop();
                continue;
            }
            batch->spooled = true;
            used += batch->bytes.size();
            read.push_back(std::move(batch));
        }
        const SpoolStats stats = spool_->stats();
        lock.lock();
        spooled_bytes_ = stats.bytes;
        if (!stats.last_error.empty() && stats.last_error != spool_error_) options_.complain(stats.last_error);
        spool_error_ = stats.last_error;
        if (stats.damaged_records > damaged_) {
            lost_ += stats.damaged_records - damaged_;
            options_.complain(fmt::format("the spool is damaged: {} records in it are lost", stats.damaged_records - damaged_));
            damaged_ = stats.damaged_records;
        }
        for (BatchPtr& batch : lost) {
            memory_ -= batch->bytes.size();
            lose(*batch);
            recycle(std::move(batch));
        }
        for (BatchPtr& batch : kept) {
            memory_ -= batch->bytes.size();
            recycle(std::move(batch));
        }
        for (BatchPtr& batch : read) {
            memory_ += batch->bytes.size();
            queue_.push_back(std::move(batch));
        }
        size_t in_queue = 0;
        for (const BatchPtr& batch : queue_) in_queue += batch->spooled;
        unread_ = stats.entries > in_queue + pops_ ? stats.entries - in_queue - pops_ : 0;
    }

    static size_t bytes_in(const std::deque<BatchPtr>& batches) {
        size_t bytes = 0;
        for (const BatchPtr& batch : batches) bytes += batch->bytes.size();
        return bytes;
    }

    // False when the bus takes no more for now.
    bool publish_waiting(std::unique_lock<std::mutex>& lock) {
        while (next_ < queue_.size() && !stop_) {
            Batch& batch = *queue_[next_];
            if (batch.state != Batch::State::waiting) {
                next_++;
                continue;
            }
            batch.state = Batch::State::sent;
            const size_t token = first_token_ + next_;
            next_++;
            // The batch stays where it is until it has arrived: only this thread takes it out.
            lock.unlock();
            const bus::Accepted accepted = publish(batch, token);
            lock.lock();
            if (accepted == bus::Accepted::yes) continue;
            if (accepted == bus::Accepted::refused) {  // never will be: a record larger than a message may be
                batch.state = Batch::State::arrived;
                lose(batch);
                work_due_ = true;
                continue;
            }
            if (batch.state == Batch::State::sent) batch.state = Batch::State::waiting;
            next_ = std::min(next_, token - first_token_);
            return false;
        }
        return true;
    }

    bus::Accepted publish(const Batch& batch, uint64_t token) {
        const BatchHead& head = batch.head;
        char agent[160], first[20], last[20], count[20];
        const auto text = [](auto& buffer, auto... parts) {
            const auto end = fmt::format_to_n(buffer, sizeof buffer, parts...);
            return std::string_view(buffer, std::min(end.size, sizeof buffer));
        };
        const bus::Header headers[] = {
            {bus::header::content_type, "application/x-ndjson"},
            {bus::header::schema, bus::schema_version},
            {bus::header::agent, text(agent, FMT_STRING("{:.120}/{:x}/{}"), options_.node, head.instance, head.lane)},
            {bus::header::first, text(first, FMT_STRING("{}"), head.first_sequence)},
            {bus::header::last, text(last, FMT_STRING("{}"), head.first_sequence + head.records - 1)},
            {bus::header::count, text(count, FMT_STRING("{}"), head.records)},
        };
        bus::Message message;
        message.subject = subjects_[head.type];
        message.payload = batch.bytes.view();
        message.headers = headers;
        message.partition_key = head.lane;
        message.token = token;
        return bus_.publish(message);
    }

    BusSinkOptions options_;
    bus::Bus& bus_;
    std::unique_ptr<Spool> spool_;  // the thread's, and finish()'s when that has ended
    std::array<std::string, record::type_count> subjects_;

    // The pipeline's thread.
    std::vector<Open> open_;  // by type and lane
    size_t begun_ = 0;
    bool finished_ = false;

    mutable std::mutex mutex_;
    std::condition_variable wake_, idle_;
    bool sleeping_ = false, work_due_ = false, stop_ = false, closed_ = false;
    std::deque<BatchPtr> incoming_;  // sealed, oldest first
    std::deque<BatchPtr> queue_;     // to be published or not yet arrived; queue_[i] has the token first_token_ + i
    std::vector<BatchPtr> spare_;
    uint64_t first_token_ = 1;
    size_t next_ = 0;      // in queue_: all before it are with the bus
    size_t memory_ = 0;    // bytes in both
    size_t pops_ = 0;      // entries of the spool that have arrived
    uint64_t unread_ = 0;  // entries of the spool that are not in queue_
    uint64_t given_ = 0, delivered_ = 0, lost_ = 0, bytes_ = 0, damaged_ = 0;
    uint64_t spooled_bytes_ = 0;
    std::string spool_error_;
    std::thread thread_;
};

}  // namespace

std::expected<std::unique_ptr<BusSink>, std::string> BusSink::open(BusSinkOptions options, bus::Bus& bus) {
    std::unique_ptr<Spool> spool;
    if (!options.spool.directory.empty() && options.spool.limit_bytes > 0) {
        auto opened = Spool::open(options.spool);
        if (!opened) return std::unexpected(opened.error());
        spool = std::move(*opened);
    }
    return std::make_unique<QueuedBusSink>(std::move(options), bus, std::move(spool));
}

}  // namespace cvf::sink
