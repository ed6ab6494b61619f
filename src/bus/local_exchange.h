// What all local buses of one name share: subscriptions and documents.
//
// Thread rule: any thread. Lock order: the exchange's, then an inbox's or a watch's.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <expected>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bus/bus.h"
#include "bus/local_journal.h"

namespace cvf::bus {

// A message on its way to one or more inboxes. When the last one lets go of it, it has been handled by all.
struct LocalMessage {
    std::string subject, payload;
    std::vector<std::pair<std::string, std::string>> headers;
    uint64_t partition_key = 0;
    bool durable = false;
    std::function<void()> handled;
    ~LocalMessage() {
        if (handled) handled();
    }
};

// Where one subscription's messages wait. Bounded by what the publishers may have pending.
class LocalInbox {
 public:
    void push(std::shared_ptr<const LocalMessage> message);
    // The next one; null when closed.
    std::shared_ptr<const LocalMessage> pop();
    void close();

 private:
    std::mutex mutex_;
    std::condition_variable filled_;
    std::deque<std::shared_ptr<const LocalMessage>> messages_;
    bool closed_ = false;
};

class LocalExchange {
 public:
    // The one of this name, made when it is new.
    static std::shared_ptr<LocalExchange> named(std::string_view name);

    void subscribe(std::string pattern, std::string queue, std::shared_ptr<LocalInbox> inbox);
    void unsubscribe(const LocalInbox* inbox);
    void publish(const std::shared_ptr<const LocalMessage>& message);

    // Directives and the audit trail are kept in this folder from now on, and those that stand there come in. Once.
    std::expected<void, std::string> keep_in(const std::string& directory);

    std::expected<uint64_t, std::string> put(std::string_view bucket, std::string_view key, std::string_view value,
                                             std::optional<uint64_t> expected);
    std::expected<void, std::string> remove(std::string_view bucket, std::string_view key, std::optional<uint64_t> expected = {});
    Bus::Found get(std::string_view bucket, std::string_view key);

    // A watch's place in its bucket.
    struct Watch {
        std::string bucket;
        uint64_t seen = 0;  // revision
        bool closed = false;
    };
    std::shared_ptr<Watch> watch(std::string_view bucket);
    struct Change {
        std::string key, value;
        uint64_t revision;
        bool removed;
    };
    // The first change that the watch has not seen; nothing when there is none and `wait` is false, or when it was closed.
    std::optional<Change> next(Watch& watch, bool wait);
    void close(const std::shared_ptr<Watch>& watch);

 private:
    struct Route {
        std::string pattern, queue;
        std::shared_ptr<LocalInbox> inbox;
    };
    struct Kept {
        std::string value;
        uint64_t revision;
        bool removed;
    };
    struct Bucket {
        uint64_t revision = 0;
        std::map<std::string, Kept, std::less<>> documents;  // removed ones too, until every watch has seen it
        uint64_t revision_of(std::string_view key) const;    // 0: nothing is there
        std::map<uint64_t, std::string> changes;             // last revision of each key
        std::list<std::shared_ptr<Watch>> watches;
    };
    Bucket& bucket_named(std::string_view name);
    uint64_t set(std::string_view name, Bucket& bucket, std::string_view key, std::string_view value, bool removed);
    static void forget_removed(Bucket& bucket);

    std::mutex routes_mutex_;
    std::list<Route> routes_;
    std::map<std::pair<std::string, std::string>, uint64_t> turns_;  // of each queue's members

    std::mutex documents_mutex_;
    std::condition_variable changed_;
    std::map<std::string, Bucket, std::less<>> buckets_;
    std::unique_ptr<LocalJournal> journal_;
};

}  // namespace cvf::bus
