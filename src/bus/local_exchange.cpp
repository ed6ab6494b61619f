#include "bus/local_exchange.h"

#include <fmt/format.h>

#include <algorithm>

#include "bus/subjects.h"

namespace cvf::bus {

void LocalInbox::push(std::shared_ptr<const LocalMessage> message) {
    const std::lock_guard lock(mutex_);
    if (closed_) return;
    messages_.push_back(std::move(message));
    filled_.notify_one();
}

std::shared_ptr<const LocalMessage> LocalInbox::pop() {
    std::unique_lock lock(mutex_);
    filled_.wait(lock, [&] { return closed_ || !messages_.empty(); });
    if (closed_) return nullptr;
    auto message = std::move(messages_.front());
    messages_.pop_front();
    return message;
}

void LocalInbox::close() {
    std::deque<std::shared_ptr<const LocalMessage>> dropped;  // let go of outside the lock
    const std::lock_guard lock(mutex_);
    closed_ = true;
    dropped.swap(messages_);
    filled_.notify_all();
}

std::shared_ptr<LocalExchange> LocalExchange::named(std::string_view name) {
    static std::mutex mutex;
    static std::map<std::string, std::shared_ptr<LocalExchange>, std::less<>> exchanges;
    const std::lock_guard lock(mutex);
    auto it = exchanges.find(name);
    if (it == exchanges.end()) it = exchanges.emplace(name, std::make_shared<LocalExchange>()).first;
    return it->second;
}

void LocalExchange::subscribe(std::string pattern, std::string queue, std::shared_ptr<LocalInbox> inbox) {
    const std::lock_guard lock(routes_mutex_);
    routes_.push_back({std::move(pattern), std::move(queue), std::move(inbox)});
}

void LocalExchange::unsubscribe(const LocalInbox* inbox) {
    const std::lock_guard lock(routes_mutex_);
    routes_.remove_if([&](const Route& r) { return r.inbox.get() == inbox; });
}

void LocalExchange::publish(const std::shared_ptr<const LocalMessage>& message) {
    const std::lock_guard lock(routes_mutex_);
    std::map<std::pair<std::string_view, std::string_view>, std::vector<const Route*>> queues;
    for (const Route& r : routes_) {
        if (!matches(r.pattern, message->subject)) continue;
        if (r.queue.empty()) {
            r.inbox->push(message);
        } else {
            queues[{r.queue, r.pattern}].push_back(&r);
        }
    }
    for (const auto& [name, members] : queues) {
        const uint64_t turn = turns_[{std::string(name.first), std::string(name.second)}]++;
        members[turn % members.size()]->inbox->push(message);
    }
}

uint64_t LocalExchange::Bucket::revision_of(std::string_view key) const {
    const auto it = documents.find(key);
    return it == documents.end() || it->second.removed ? 0 : it->second.revision;
}

LocalExchange::Bucket& LocalExchange::bucket_named(std::string_view name) {
    auto it = buckets_.find(name);
    return it != buckets_.end() ? it->second : buckets_.emplace(name, Bucket{}).first->second;
}

std::expected<void, std::string> LocalExchange::keep_in(const std::string& directory) {
    const std::lock_guard lock(documents_mutex_);
    if (journal_) return {};
    auto journal = std::make_unique<LocalJournal>(directory);
    constexpr size_t most = 10'000;  // directives; entries of the trail
    for (const std::string_view name : {bucket::directives, bucket::audit}) {
        Bucket& b = bucket_named(name);
        auto loaded = journal->load(name, most, [&](std::string_view key, std::string_view value, uint64_t revision) {
            b.revision = std::max(b.revision, revision - 1);
            set(name, b, key, value, false);
        });
        if (!loaded) return loaded;
    }
    journal_ = std::move(journal);
    return {};
}

uint64_t LocalExchange::set(std::string_view name, Bucket& bucket, std::string_view key, std::string_view value, bool removed) {
    const uint64_t revision = ++bucket.revision;
    auto it = bucket.documents.find(key);
    if (it == bucket.documents.end()) {
        it = bucket.documents.emplace(key, Kept{}).first;
    } else {
        bucket.changes.erase(it->second.revision);
    }
    it->second = {std::string(value), revision, removed};
    bucket.changes.emplace(revision, key);
    forget_removed(bucket);
    changed_.notify_all();
    if (journal_) journal_->note(name, key, revision, removed ? nullptr : &value);
    return revision;
}

void LocalExchange::forget_removed(Bucket& bucket) {
    uint64_t seen = bucket.revision;
    for (const auto& w : bucket.watches) seen = std::min(seen, w->seen);
    for (auto it = bucket.changes.begin(); it != bucket.changes.end() && it->first <= seen;) {
        const auto document = bucket.documents.find(it->second);
        if (document->second.removed) {
            bucket.documents.erase(document);
            it = bucket.changes.erase(it);
        } else {
            ++it;
        }
    }
}

std::expected<uint64_t, std::string> LocalExchange::put(std::string_view bucket, std::string_view key, std::string_view value,
                                                        std::optional<uint64_t> expected) {
    const std::lock_guard lock(documents_mutex_);
    Bucket& b = bucket_named(bucket);
    const uint64_t now = b.revision_of(key);
    if (expected && now != *expected)
        return std::unexpected(fmt::format("{}/{} is at revision {}, not {}", bucket, key, now, *expected));
    return set(bucket, b, key, value, false);
}

std::expected<void, std::string> LocalExchange::remove(std::string_view bucket, std::string_view key,
                                                       std::optional<uint64_t> expected) {
    const std::lock_guard lock(documents_mutex_);
    Bucket& b = bucket_named(bucket);
    const uint64_t now = b.revision_of(key);
    if (expected && now != *expected)
        return std::unexpected(fmt::format("{}/{} is at revision {}, not {}", bucket, key, now, *expected));
    if (now != 0) set(bucket, b, std::string(key), {}, true);
    return {};
}

Bus::Found LocalExchange::get(std::string_view bucket, std::string_view key) {
    const std::lock_guard lock(documents_mutex_);
    const Bucket& b = bucket_named(bucket);
    const auto it = b.documents.find(key);
    return it == b.documents.end() || it->second.removed ? Bus::Found{} : Bus::Found{it->second.value, it->second.revision};
}

std::shared_ptr<LocalExchange::Watch> LocalExchange::watch(std::string_view bucket) {
    auto watch = std::make_shared<Watch>(Watch{std::string(bucket)});
    const std::lock_guard lock(documents_mutex_);
    bucket_named(bucket).watches.push_back(watch);
    return watch;
}

std::optional<LocalExchange::Change> LocalExchange::next(Watch& watch, bool wait) {
    std::unique_lock lock(documents_mutex_);
    Bucket& b = bucket_named(watch.bucket);
    const auto unseen = [&] { return b.changes.upper_bound(watch.seen); };
    if (wait) changed_.wait(lock, [&] { return watch.closed || unseen() != b.changes.end(); });
    const auto it = unseen();
    if (watch.closed || it == b.changes.end()) return std::nullopt;
    const Kept& kept = b.documents.find(it->second)->second;
    Change change{it->second, kept.value, it->first, kept.removed};
    watch.seen = it->first;
    forget_removed(b);
    return change;
}

void LocalExchange::close(const std::shared_ptr<Watch>& watch) {
    const std::lock_guard lock(documents_mutex_);
    watch->closed = true;
    Bucket& b = bucket_named(watch->bucket);
    b.watches.remove(watch);
    forget_removed(b);
    changed_.notify_all();
}

}  // namespace cvf::bus
