// Those who want to be told of changes: a list whose entries end themselves.
//
// Thread rule: any. A listener runs on the thread that tells, under a lock of the list's own: it must not block, nor add or end a
// listener. When a handle's destructor returns its listener does not run and never will.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace cvf::controller {

template <typename T>
class Listeners {
 public:
    using Listener = std::function<void(const T&)>;

    std::shared_ptr<void> add(Listener listener) {
        const std::lock_guard lock(state_->mutex);
        const uint64_t id = state_->next++;
        state_->all.emplace_back(id, std::move(listener));
        return {nullptr, [state = state_, id](void*) {
                    const std::lock_guard guard(state->mutex);
                    std::erase_if(state->all, [&](const auto& one) { return one.first == id; });
                }};
    }

    void tell(const T& news) const {
        const std::lock_guard lock(state_->mutex);
        for (const auto& [id, listener] : state_->all) listener(news);
    }

 private:
    struct State {
        std::mutex mutex;
        uint64_t next = 0;
        std::vector<std::pair<uint64_t, Listener>> all;
    };
    std::shared_ptr<State> state_ = std::make_shared<State>();
};

}  // namespace cvf::controller
