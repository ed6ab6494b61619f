#include "tap/endpoint_listeners.h"

namespace cvf::tap {

namespace {

constexpr size_t most = 65536;

// How well a listener fits an address; 0: not at all.
int fit(const Listener& l, uint8_t family, const decode::Address& local) {
    if (l.family == family && l.address == local) return 3;
    if (l.address != decode::Address()) return 0;
    return l.family == family ? 2 : l.family == 6 ? 1 : 0;
}

}  // namespace

void Listeners::add(const Listener& listener) {
    if (auto at = by_cookie_.find(listener.cookie); at != by_cookie_.end()) {
        if (at->second.netns == listener.netns && at->second.port == listener.port) {
            at->second = listener;
            return;
        }
        remove(listener.cookie);
    }
    if (by_cookie_.size() >= most) return;
    by_cookie_[listener.cookie] = listener;
    by_place_[place(listener.netns, listener.port)].push_back(listener.cookie);
}

void Listeners::remove(uint64_t cookie) {
    auto at = by_cookie_.find(cookie);
    if (at == by_cookie_.end()) return;
    auto list = by_place_.find(place(at->second.netns, at->second.port));
    if (list != by_place_.end() && (std::erase(list->second, cookie), list->second.empty())) by_place_.erase(list);
    by_cookie_.erase(at);
}

void Listeners::end_round(uint32_t round) {
    std::vector<uint64_t> gone;
    for (const auto& [cookie, l] : by_cookie_)
        if (l.round + 2 <= round) gone.push_back(cookie);
    for (uint64_t cookie : gone) remove(cookie);
}

Listeners::Found Listeners::find(uint64_t cookie, uint32_t netns, uint8_t family, const decode::Address& local,
                                 uint16_t port) const {
    if (cookie)
        if (auto l = by_cookie_.find(cookie); l != by_cookie_.end()) return {&l->second, true};
    auto list = by_place_.find(place(netns, port));
    if (list == by_place_.end()) return {};
    Found found;
    int best = 0;
    for (uint64_t c : list->second) {
        const Listener& l = by_cookie_.find(c)->second;
        const int f = fit(l, family, local);
        if (f == 0 || f < best) continue;
        if (f > best) {
            found = {&l, true};
            best = f;
        } else if (found.one && (found.one->owner.pid != l.owner.pid || !l.owner.pid)) {
            found.one = nullptr;
        }
    }
    return found;
}

}  // namespace cvf::tap
