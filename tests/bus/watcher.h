// What a test sees of a bus.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "broker.h"
#include "bus/bus.h"

namespace cvf::bus::test {

// Counts settlements by token.
class Settlements {
 public:
    std::function<void(const Settled&)> handler() {
        return [this](const Settled& s) {
            const std::lock_guard lock(mutex_);
            (s.delivered ? delivered_ : undelivered_)[s.token]++;
        };
    }
    size_t delivered() const { return count(delivered_); }
    size_t undelivered() const { return count(undelivered_); }
    // Each of 1 … `count` once, one way or the other.
    bool each_once(size_t count) const {
        const std::lock_guard lock(mutex_);
        for (size_t token = 1; token <= count; token++) {
            const auto a = delivered_.find(token), b = undelivered_.find(token);
            if ((a == delivered_.end() ? 0 : a->second) + (b == undelivered_.end() ? 0 : b->second) != 1) return false;
        }
        return delivered_.size() + undelivered_.size() == count;
    }
    std::vector<uint64_t> delivered_tokens() const {
        const std::lock_guard lock(mutex_);
        std::vector<uint64_t> out;
        for (const auto& [token, n] : delivered_) out.push_back(token);
        return out;
    }

 private:
    size_t count(const std::map<uint64_t, int>& map) const {
        const std::lock_guard lock(mutex_);
        size_t out = 0;
        for (const auto& [token, n] : map) out += static_cast<size_t>(n);
        return out;
    }
    mutable std::mutex mutex_;
    std::map<uint64_t, int> delivered_, undelivered_;
};

// What a subscription got.
class Inbox {
 public:
    struct Got {
        std::string subject, payload;
        std::map<std::string, std::string> headers;
    };
    OnMessage handler() {
        return [this](const Message& m) {
            Got got{std::string(m.subject), std::string(m.payload), {}};
            for (const Header& h : m.headers) got.headers[std::string(h.name)] = std::string(h.value);
            const std::lock_guard lock(mutex_);
            got_.push_back(std::move(got));
        };
    }
    std::vector<Got> all() const {
        const std::lock_guard lock(mutex_);
        return got_;
    }
    size_t size() const {
        const std::lock_guard lock(mutex_);
        return got_.size();
    }
    std::map<std::string, int> payloads() const {
        const std::lock_guard lock(mutex_);
        std::map<std::string, int> out;
        for (const Got& g : got_) out[g.payload]++;
        return out;
    }

 private:
    mutable std::mutex mutex_;
    std::vector<Got> got_;
};

// What a watch told, as "key=value@revision", "key removed", "caught up".
class Diary {
 public:
    OnDocument handler() {
        return [this](const Document* d) {
            const std::lock_guard lock(mutex_);
            if (!d) {
                lines_.push_back("caught up");
            } else if (d->removed) {
                lines_.push_back(fmt::format("{} removed", d->key));
                now_.erase(std::string(d->key));
            } else {
                lines_.push_back(fmt::format("{}={}", d->key, d->value));
                now_[std::string(d->key)] = {std::string(d->value), d->revision};
            }
        };
    }
    std::vector<std::string> lines() const {
        const std::lock_guard lock(mutex_);
        return lines_;
    }
    bool has(const std::string& line) const {
        const std::lock_guard lock(mutex_);
        return std::find(lines_.begin(), lines_.end(), line) != lines_.end();
    }
    std::string value(const std::string& key) const {
        const std::lock_guard lock(mutex_);
        const auto it = now_.find(key);
        return it == now_.end() ? "" : it->second.first;
    }
    uint64_t revision(const std::string& key) const {
        const std::lock_guard lock(mutex_);
        const auto it = now_.find(key);
        return it == now_.end() ? 0 : it->second.second;
    }

 private:
    mutable std::mutex mutex_;
    std::vector<std::string> lines_;
    std::map<std::string, std::pair<std::string, uint64_t>> now_;
};

}  // namespace cvf::bus::test
