#include "sink/bus_queue.h"

#include <fmt/format.h>
#include <pthread.h>
#include <signal.h>

#include <algorithm>

namespace cvf::sink {

namespace {

constexpr std::chrono::milliseconds away_after{1000}, look_every{200};
constexpr std::chrono::milliseconds first_wait{10}, longest_wait{1000}, full_wait{20};
constexpr std::chrono::milliseconds try_again{1000};  // what is given up on
constexpr unsigned published_at_once = 256;           // then the thread looks around

std::chrono::milliseconds wait_after(unsigned failures) {
    if (failures <= 1) return std::chrono::milliseconds(0);  // mostly the connection was lost
    return std::min(first_wait * (1 << std::min(failures - 2, 10u)), longest_wait);
}

}  // namespace

BusQueue::BusQueue(BusQueueOptions options, bus::Bus& bus, std::unique_ptr<Spool> spool)
    : options_(std::move(options)), bus_(bus), spool_(std::move(spool)), subjects_(record_subjects(options_.node)) {
    if (spool_) {
        const SpoolStats found = spool_->stats();
        given_ = found.records;
        unread_ = found.entries;
        look_at_spool(found);
    }
    // Signals are the program's main thread's.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    thread_ = std::thread([this] { work(); });
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

BusQueue::~BusQueue() {
    if (!finished_) finish(std::chrono::milliseconds(0));
}

void BusQueue::put(BatchPtr batch) {
    const size_t cost = batch->cost();
    const double room = static_cast<double>(options_.memory_bytes) * share_of(batch->type);
    const std::lock_guard lock(mutex_);
    given_ += batch->head.records;
    bytes_ += batch->bytes.size();
    if (static_cast<double>(memory_ + cost) > room) return lose_full(*batch);
    memory_ += cost;
    incoming_memory_ += cost;
    incoming_.push_back(std::move(batch));
    wake();
}

void BusQueue::finish(std::chrono::milliseconds wait) {
    finished_ = true;
    {
        std::unique_lock lock(mutex_);
        idle_.wait_for(lock, wait, [&] { return incoming_.empty() && batches_.empty() && unread_ == 0; });
        stop_ = true;
        wake_.notify_all();
    }
    thread_.join();
    // What is in flight may be settled until now; what has not arrived is kept on disk, in order, where there is one.
    const std::lock_guard lock(mutex_);
    closed_ = true;
    retire();
    if (spool_)
        for (const uint64_t entry : done_) spool_->done(entry);
    for (const auto& [token, batch] : batches_)
        if (!batch->spooled) keep_or_lose(*batch);
    for (const BatchPtr& batch : incoming_) keep_or_lose(*batch);
    batches_.clear();
    incoming_.clear();
    due_.clear();
    if (spool_) {
        spool_->tick();
        on_disk_ = spool_->stats();
    }
}

void BusQueue::settled(const bus::Settled& settled) {
    const std::lock_guard lock(mutex_);
    const auto at = batches_.find(settled.token);
    if (closed_ || at == batches_.end() || at->second->state != Batch::State::sent) return;
    Batch& batch = *at->second;
    const auto now = Clock::now();
    if (settled.delivered) {
        delivered_ += batch.head.records;
        last_delivery_ = now;
        if (!failing_.empty()) failing_.erase({batch.type, batch.head.lane});
        arrived(batch, settled.token);
    } else if (settled.refused) {
        lose_refused(batch);
        arrived(batch, settled.token);
    } else {
        batch.state = Batch::State::waiting;
        if (batch.failures++ == 0) batch.failed_since = now;
        batch.due = batch.failures == 1 ? Clock::time_point{} : now + wait_after(batch.failures);
        due_.emplace(batch.due, settled.token);
        leave_memory_due_ = true;
        if (connected_) failing_.try_emplace({batch.type, batch.head.lane}, Failing{now, {}});
    }
    wake();
}

void BusQueue::connection_changed() {
    const std::lock_guard lock(mutex_);
    look_due_ = true;
    wake();
}

RecordSinkStats BusQueue::stats() const {
    const std::lock_guard lock(mutex_);
    RecordSinkStats stats;
    stats.given = given_;
    stats.delivered = delivered_;
    stats.lost = lost_;
    stats.bytes = bytes_;
    stats.waiting = given_ - std::min(given_, delivered_ + lost_);
    stats.spooled_bytes = on_disk_.bytes;
    stats.damaged_bytes = on_disk_.damaged_bytes;
    const bus::State state = bus_.state();
    stats.connected = state.connected;
    if (!state.connected)
        stats.last_error = state.last_error;
    else if (!on_disk_.last_error.empty())
        stats.last_error = on_disk_.last_error;
    else if (!failing_.empty())
        stats.last_error = state.last_error;
    else if (Clock::now() - refused_at_ < options_.give_up)
        stats.last_error = refusal_;
    return stats;
}

void BusQueue::wake() {
    if (sleeping_) wake_.notify_one();
    work_due_ = true;
}

void BusQueue::arrived(Batch& batch, uint64_t token) {
    batch.state = Batch::State::arrived;
    arrived_.push_back(token);
    work_due_ = true;
}

void BusQueue::lose_full(const Batch& batch) {
    if (!std::exchange(said_full_, true))
        options_.complain("records for the bus are being lost, for there is no room left to keep them; the count is published");
    lost_ += batch.head.records;
}

std::string BusQueue::words_of_bus() const {
    std::string words = bus_.state().last_error;
    return words.empty() ? "it does not say why" : words;
}

void BusQueue::lose_refused(const Batch& batch) {
    refused_at_ = Clock::now();
    refusal_ =
        fmt::format("{}: the bus takes others but not this: {}", subjects_[static_cast<size_t>(batch.type)], words_of_bus());
    if (!std::exchange(said_refused_, true))
        options_.complain(fmt::format("records for the bus are being lost; the count is published: {}", refusal_));
    lost_ += batch.head.records;
}

void BusQueue::keep_or_lose(const Batch& batch) {
    if (!spool_ || !spool_->append(batch.head, batch.bytes, 1)) lose_full(batch);
}

// The thread's turn: takes what came, settles the spool, publishes.
void BusQueue::work() {
    pthread_setname_np(pthread_self(), "cvf-bus-sink");
    std::unique_lock lock(mutex_);
    auto next_tick = Clock::now() + std::chrono::seconds(1);
    while (!stop_) {
        work_due_ = false;
        look_at_connection(lock);
        retire();
        if (spool_) {
            through_spool(lock);
        } else {
            for (; !incoming_.empty(); incoming_.pop_front()) take_in(std::move(incoming_.front()));
            incoming_memory_ = 0;
        }
        const auto next = publish_waiting(lock);
        if (incoming_.empty() && batches_.empty() && unread_ == 0) idle_.notify_all();
        if (spool_ && Clock::now() >= next_tick) {
            lock.unlock();
            spool_->tick();
            lock.lock();
            next_tick = Clock::now() + std::chrono::seconds(1);
        }
        if (work_due_ || stop_) continue;
        sleeping_ = true;
        const auto latest = Clock::now() + look_every;
        wake_.wait_until(lock, next ? std::min(*next, latest) : latest);
        sleeping_ = false;
    }
}

void BusQueue::look_at_connection(std::unique_lock<std::mutex>& lock) {
    const auto now = Clock::now();
    if (!look_due_ && now < next_look_) return;
    look_due_ = false;
    next_look_ = now + look_every;
    lock.unlock();
    const bool up = bus_.state().connected;
    lock.lock();
    if (up == connected_) return;
    connected_ = up;
    failing_.clear();
    if (!up) {
        away_since_ = now;
        leave_memory_due_ = true;
        return;
    }
    // Nothing waits longer for what another connection did.
    std::set<std::pair<Clock::time_point, uint64_t>> due;
    for (const auto& [time, token] : due_) {
        Batch& batch = *batches_.at(token);
        batch.due = {};
        batch.failures = 0;
        due.emplace(Clock::time_point{}, token);
    }
    due_.swap(due);
}

void BusQueue::retire() {
    for (const uint64_t token : arrived_) {
        const auto at = batches_.find(token);
        if (at == batches_.end()) continue;
        memory_ -= at->second->cost();
        if (at->second->spooled) {
            done_.push_back(at->second->entry);
            from_spool_--;
        }
        batches_.erase(at);
    }
    arrived_.clear();
}

void BusQueue::take_in(BatchPtr batch) {
    due_.emplace(batch->due, ++last_token_);
    batches_.emplace_hint(batches_.end(), last_token_, std::move(batch));
}

// What is to go to disk now, oldest first: what came, behind what waits there already, or because the bus is away.
std::vector<BusQueue::Moving> BusQueue::leave_memory() {
    std::vector<Moving> moving;
    const bool away = !connected_ && Clock::now() - away_since_ >= away_after;
    if (away && std::exchange(leave_memory_due_, false)) {
        for (auto at = batches_.begin(); at != batches_.end();) {
            Batch& batch = *at->second;
            if (batch.spooled || batch.state != Batch::State::waiting) {
                ++at;
                continue;
            }
            due_.erase({batch.due, at->first});
            moving.push_back({at->first, std::move(at->second)});
            at = batches_.erase(at);
        }
    }
    const bool to_disk = away || unread_ > 0 || memory_ - incoming_memory_ > options_.memory_bytes / 2;
    for (; !incoming_.empty(); incoming_.pop_front()) {
        if (to_disk)
            moving.push_back({0, std::move(incoming_.front())});
        else
            take_in(std::move(incoming_.front()));
    }
    incoming_memory_ = 0;
    return moving;
}

// The next batches from disk, of so many bytes; returns the records of those nobody here can read.
size_t BusQueue::read_back(size_t room, std::vector<BatchPtr>& read) {
    size_t used = 0, unknown = 0;
    while (used < room) {
        auto batch = std::make_unique<Batch>();
        const auto entry = spool_->read(batch->head, reading_);
        if (!entry) break;
        const auto type = type_of_number(batch->head.type);
        if (!type) {  // of a program that knew more types
            spool_->done(*entry);
            unknown += batch->head.records;
            continue;
        }
        batch->type = *type;
        batch->bytes = reading_.view();
        batch->spooled = true;
        batch->entry = *entry;
        used += batch->cost();
        read.push_back(std::move(batch));
    }
    return unknown;
}

// Memory is filled from disk while the bus takes something.
void BusQueue::through_spool(std::unique_lock<std::mutex>& lock) {
    std::vector<Moving> moving = leave_memory();
    std::vector<uint64_t> done;
    done.swap(done_);
    size_t going = 0;
    for (const Moving& one : moving) going += one.batch->cost();
    const size_t staying = memory_ - going, half = options_.memory_bytes / 2;
    const size_t room = connected_ && half > staying ? half - staying : 0;
    if (moving.empty() && done.empty() && (unread_ == 0 || room == 0)) return;

    lock.unlock();
    std::vector<Moving> no_room;
    size_t freed = 0;
    for (Moving& one : moving) {
        if (spool_->append(one.batch->head, one.batch->bytes, share_of(one.batch->type)))
            freed += one.batch->cost();
        else
            no_room.push_back(std::move(one));
    }
    moving.clear();
    for (const uint64_t entry : done) spool_->done(entry);
    std::vector<BatchPtr> read;
    const size_t unknown = read_back(room, read);
    const SpoolStats stats = spool_->stats();
    lock.lock();

    memory_ -= freed;
    look_at_spool(stats);
    if (unknown > 0) {
        lost_ += unknown;
        options_.complain(
            fmt::format("the spool holds {} records of types that this program does not know: they are lost", unknown));
    }
    // Where the disk has no room, memory may have some yet; put() sees to its bound.
    for (Moving& one : no_room) {
        if (one.token == 0) {
            take_in(std::move(one.batch));
        } else {
            due_.emplace(one.batch->due, one.token);
            batches_.emplace(one.token, std::move(one.batch));
        }
    }
    for (BatchPtr& batch : read) {
        memory_ += batch->cost();
        from_spool_++;
        take_in(std::move(batch));
    }
    unread_ = stats.entries > from_spool_ ? stats.entries - from_spool_ : 0;
}

void BusQueue::look_at_spool(const SpoolStats& now) {
    if (!now.last_error.empty() && now.last_error != on_disk_.last_error) options_.complain(now.last_error);
    if (now.damaged_records > on_disk_.damaged_records || now.damaged_bytes > on_disk_.damaged_bytes) {
        const uint64_t records = now.damaged_records - on_disk_.damaged_records;
        lost_ += records;
        options_.complain(fmt::format("the spool is damaged: {} bytes of it can't be read{}",
                                      now.damaged_bytes - on_disk_.damaged_bytes,
                                      records > 0 ? fmt::format(", and {} records in them are lost", records) : ""));
    }
    on_disk_ = now;
}

// When the next batch is due; nothing: none waits.
std::optional<BusQueue::Clock::time_point> BusQueue::publish_waiting(std::unique_lock<std::mutex>& lock) {
    const auto now = Clock::now();
    for (unsigned published = 0; !due_.empty() && !stop_; published++) {
        const auto [time, token] = *due_.begin();
        if (time > now || published == published_at_once) return time;
        due_.erase(due_.begin());
        Batch& batch = *batches_.at(token);
        if (out_of_patience(batch, now)) {
            lose_refused(batch);
            arrived(batch, token);
            continue;
        }
        batch.state = Batch::State::sent;
        // The batch stays where it is until it has arrived: only this thread takes it out.
        lock.unlock();
        const bus::Accepted accepted = publish(bus_, batch, options_.node, subjects_[static_cast<size_t>(batch.type)], token);
        lock.lock();
        if (accepted == bus::Accepted::yes) continue;
        if (accepted == bus::Accepted::refused) {  // never will be: a record larger than a message may be
            lose_refused(batch);
            arrived(batch, token);
            continue;
        }
        batch.state = Batch::State::waiting;
        batch.due = {};
        due_.emplace(batch.due, token);
        leave_memory_due_ = true;
        return Clock::now() + (accepted == bus::Accepted::full ? full_wait : look_every);
    }
    return std::nullopt;
}

bool BusQueue::out_of_patience(const Batch& batch, Clock::time_point now) {
    const auto gone_on_too_long = [&](Clock::time_point since) {
        const bool takes_others = last_delivery_ > since && now - last_delivery_ < options_.give_up / 2;
        return takes_others && now - since >= options_.give_up;
    };
    if (batch.failures > 0 && gone_on_too_long(batch.failed_since)) return true;
    if (failing_.empty()) return false;
    const auto at = failing_.find({batch.type, batch.head.lane});
    if (at == failing_.end()) return false;
    Failing& failing = at->second;
    if (!gone_on_too_long(failing.since)) return false;
    if (now < failing.next_try) return true;
    failing.next_try = now + try_again;
    return false;
}

}  // namespace cvf::sink
