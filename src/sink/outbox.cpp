#include "sink/outbox.h"

#include <fmt/format.h>
#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <utility>

namespace cvf::sink {

namespace {

using std::chrono::milliseconds;

constexpr size_t most_spare = 8;
constexpr size_t kept_bytes = 2u << 20;  // a parcel that grew beyond gives its memory back
constexpr milliseconds last_wait{200};   // between attempts when the end is near
constexpr auto complaint_interval = std::chrono::seconds(60);

}  // namespace

Outbox::Outbox(OutboxOptions options, std::unique_ptr<Carrier> carrier)
    : options_(std::move(options)), carrier_(std::move(carrier)), random_(std::random_device{}()) {
    if (!options_.complain) options_.complain = complain_on_stderr;
    // Signals are for the threads that know what to do with them.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    thread_ = std::thread([this] { work(); });
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Outbox::~Outbox() {
    finish(milliseconds(0));
}

void Outbox::lose(size_t records, const char* why) {
    bool tell = false;
    {
        const std::lock_guard lock(mutex_);
        lost_ += records;
        tell = !std::exchange(loss_told_, true);
    }
    if (tell) options_.complain(fmt::format("{}: records are being lost, for {}; the count is published", options_.name, why));
}

ParcelPtr Outbox::begin() {
    ParcelPtr parcel;
    {
        const std::lock_guard lock(mutex_);
        if (!spare_.empty()) {
            parcel = std::move(spare_.back());
            spare_.pop_back();
        }
    }
    if (!parcel) return std::make_unique<Parcel>();
    parcel->bytes.clear();
    parcel->records = parcel->points = 0;
    parcel->kind = 0;
    return parcel;
}

void Outbox::put(ParcelPtr parcel) {
    const size_t records = parcel->records;
    {
        const std::lock_guard lock(mutex_);
        bytes_ += parcel->bytes.size();
        const size_t size = size_of(*parcel);
        if (!finished_ && memory_ + size <= options_.memory_bytes) {
            memory_ += size;
            queue_.push_back(std::move(parcel));
            if (queue_.size() == 1) wake_.notify_one();
            return;
        }
        recycle(std::move(parcel));
    }
    lose(records, "there is no room left to keep them");
}

void Outbox::finish(milliseconds wait) {
    {
        std::unique_lock lock(mutex_);
        if (std::exchange(finished_, true)) return;
        finishing_ = true;
        wake_.notify_one();
        idle_.wait_for(lock, wait, [this] { return queue_.empty(); });
        stop_ = true;
        wake_.notify_one();
    }
    thread_.join();
    const std::lock_guard lock(mutex_);
    for (const ParcelPtr& parcel : queue_) lost_ += parcel->records;
    queue_.clear();
    memory_ = 0;
}

RecordSinkStats Outbox::stats() const {
    const std::lock_guard lock(mutex_);
    RecordSinkStats stats;
    stats.given = given_.load(std::memory_order_relaxed);
    stats.delivered = delivered_;
    stats.lost = lost_;
    stats.bytes = bytes_;
    stats.waiting = stats.given - std::min(stats.given, delivered_ + lost_);
    stats.connected = connected_;
    stats.last_error = last_error_;
    return stats;
}

void Outbox::work() {
    pthread_setname_np(pthread_self(), "cvf-outbox");
    std::unique_lock lock(mutex_);
    for (;;) {
        wake_.wait(lock, [this] { return stop_ || !queue_.empty(); });
        if (stop_) return;
        // It stays in the queue: only this thread takes it out.
        Parcel& parcel = *queue_.front();
        lock.unlock();
        const Sent sent = carrier_->send(parcel, stop_);
        const bool tell = !sent.error.empty() && !stop_ && std::chrono::steady_clock::now() >= next_complaint_;
        if (tell && (failures_ == 0 || sent.fate != Sent::Fate::again)) {
            next_complaint_ = std::chrono::steady_clock::now() + complaint_interval;
            options_.complain(fmt::format("{}: {}{}", options_.name, sent.error,
                                          sent.fate == Sent::Fate::again ? "; trying again" : "; those records are lost"));
        }
        lock.lock();
        if (settle(sent)) continue;
        const milliseconds wait = back_off(sent.after);
        // At the end there is no time for patience, unless the far side has asked for it.
        const auto until = std::chrono::steady_clock::now() + wait;
        const bool asked = sent.after.count() > 0;
        if (!wake_.wait_until(lock, until, [&] { return stop_ || (finishing_ && !asked); })) continue;
        if (!stop_) wake_.wait_for(lock, std::min(wait, last_wait), [this] { return stop_.load(); });
    }
}

// False when the first parcel must be tried again.
bool Outbox::settle(const Sent& sent) {
    Parcel& parcel = *queue_.front();
    last_error_ = sent.error;
    switch (sent.fate) {
        case Sent::Fate::again:
            connected_ = false;
            return false;
        case Sent::Fate::refused:
            lost_ += parcel.records;
            break;
        case Sent::Fate::delivered: {
            const size_t lost = std::min(sent.lost, parcel.records);
            lost_ += lost;
            delivered_ += parcel.records - lost;
            break;
        }
    }
    connected_ = true;
    failures_ = 0;
    pop();
    return true;
}

void Outbox::pop() {
    ParcelPtr parcel = std::move(queue_.front());
    queue_.pop_front();
    memory_ -= size_of(*parcel);
    recycle(std::move(parcel));
    if (queue_.empty()) idle_.notify_one();
}

void Outbox::recycle(ParcelPtr parcel) {
    if (spare_.size() < most_spare && parcel->bytes.size() + parcel->bytes.room() <= kept_bytes)
        spare_.push_back(std::move(parcel));
}

milliseconds Outbox::back_off(milliseconds asked) {
    const unsigned doublings = std::min(failures_, 16u);
    failures_++;
    const milliseconds wait = std::min(options_.first_wait * (1 << doublings), options_.longest_wait);
    std::uniform_int_distribution<long> spread(-wait.count() / 5, wait.count() / 5);
    return std::max(asked, wait + milliseconds(spread(random_)));
}

}  // namespace cvf::sink
