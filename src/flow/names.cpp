#include "flow/names.h"

namespace cvf::flow {

void NameCache::put(const decode::Address& address, std::string_view name, int64_t expires) {
    if (auto it = index_.find(address); it != index_.end()) {
        Entry& e = entries_[it->second];
        if (e.name != name) e.name.assign(name);
        e.expires = expires;
        return;
    }
    if (entries_.size() < capacity_) {
        index_.emplace(address, static_cast<uint32_t>(entries_.size()));
        entries_.push_back({address, std::string(name), expires});
        return;
    }
    Entry& e = entries_[next_];
    index_.erase(e.address);
    index_.emplace(address, static_cast<uint32_t>(next_));
    e.address = address;
    e.name.assign(name);
    e.expires = expires;
    next_ = (next_ + 1) % capacity_;
}

std::string_view NameCache::find(const decode::Address& address, int64_t now) const {
    auto it = index_.find(address);
    if (it == index_.end()) return {};
    const Entry& e = entries_[it->second];
    return e.expires >= now ? std::string_view(e.name) : std::string_view();
}

}  // namespace cvf::flow
