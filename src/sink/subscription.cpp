#include "sink/subscription.h"

#include <algorithm>

namespace cvf::sink {

namespace {
constexpr size_t max_spare = 4;
}

Subscription::Taken Subscription::take() {
    const std::lock_guard lock(mutex_);
    if (reading_ && spare_.size() < max_spare) {
        reading_->bytes.clear();
        reading_->records = 0;
        spare_.push_back(std::move(reading_));
    }
    reading_.reset();
    if (queue_.empty()) {
        waiting_ = true;
        return {std::exchange(lost_pending_, 0), 0, nullptr};
    }
    reading_ = std::move(queue_.front());
    queue_.pop_front();
    queue_bytes_ -= reading_->cost();
    return {reading_->lost_before, reading_->records, &reading_->bytes};
}

void Subscription::publish(const record::Record& record) {
    if (!options_.types[static_cast<size_t>(record.type())]) return;
    if (options_.selector && !options_.selector->matches(record)) return;
    if (!filling_) {
        const std::lock_guard lock(mutex_);
        if (!spare_.empty()) {
            filling_ = std::move(spare_.back());
            spare_.pop_back();
        } else {
            filling_ = std::make_unique<Batch>();
        }
    }
    if (!options_.before_line.empty()) filling_->bytes.append(options_.before_line);
    record::write_json(record, options_.projection ? &*options_.projection : nullptr, filling_->bytes);
    if (!options_.after_line.empty()) filling_->bytes.append(options_.after_line);
    ++filling_->records;
    if (filling_->bytes.size() >= options_.batch_bytes) seal();
}

void Subscription::seal() {
    if (!filling_ || filling_->records == 0) return;
    bool wake = false;
    {
        const std::lock_guard lock(mutex_);
        // What waits behind a slow reader is put together: many small batches would hold much more memory than they fill.
        if (!queue_.empty() && lost_pending_ == 0 && queue_.back()->bytes.room() >= filling_->bytes.size()) {
            queue_.back()->bytes.append(filling_->bytes.view());
            queue_.back()->records += filling_->records;
            records_.fetch_add(filling_->records, std::memory_order_relaxed);
            filling_->bytes.clear();
            filling_->records = 0;
        } else if (!queue_.empty() && queue_bytes_ + filling_->cost() > options_.queue_bytes) {
            lost_pending_ += filling_->records;
            lost_total_.fetch_add(filling_->records, std::memory_order_relaxed);
            filling_->bytes.clear();
            filling_->records = 0;
        } else {
            filling_->lost_before = std::exchange(lost_pending_, 0);
            records_.fetch_add(filling_->records, std::memory_order_relaxed);
            queue_bytes_ += filling_->cost();
            queue_.push_back(std::move(filling_));
        }
        wake = std::exchange(waiting_, false);
    }
    if (wake && options_.wake) options_.wake();
}

std::shared_ptr<Subscription> Hub::subscribe(SubscriptionOptions options) {
    auto subscription = std::make_shared<Subscription>(std::move(options));
    const std::lock_guard lock(mutex_);
    subscriptions_.push_back(subscription);
    types_.fetch_or(subscription->options_.types.to_ullong(), std::memory_order_relaxed);
    generation_.fetch_add(1, std::memory_order_relaxed);
    return subscription;
}

void Hub::unsubscribe(const std::shared_ptr<Subscription>& subscription) {
    const std::lock_guard lock(mutex_);
    if (std::erase(subscriptions_, subscription) == 0) return;
    TypeBits types;
    for (const auto& s : subscriptions_) types |= s->options_.types;
    types_.store(types.to_ullong(), std::memory_order_relaxed);
    generation_.fetch_add(1, std::memory_order_relaxed);
}

size_t Hub::subscribers() const {
    const std::lock_guard lock(mutex_);
    return subscriptions_.size();
}

void Hub::each(const std::function<void(const SubscriptionOptions&)>& see) const {
    const std::lock_guard lock(mutex_);
    for (const auto& s : subscriptions_) see(s->options_);
}

// The mutex orders what the relaxed loads do not: whoever sees the new generation takes the list under it.
void Hub::reload() {
    const std::lock_guard lock(mutex_);
    current_ = subscriptions_;
    seen_ = generation_.load(std::memory_order_relaxed);
}

void Hub::publish_to_all(const record::Record& record) {
    if (generation_.load(std::memory_order_relaxed) != seen_) reload();
    for (const auto& subscription : current_) subscription->publish(record);
}

void Hub::flush_all() {
    for (const auto& subscription : current_) subscription->seal();
    if (generation_.load(std::memory_order_relaxed) != seen_) reload();
}

}  // namespace cvf::sink
