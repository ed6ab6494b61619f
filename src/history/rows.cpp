#include "history/rows.h"

#include <algorithm>

namespace cvf::history {

void Rows::add(Position position, std::string_view line) {
    if (query_.after && !before(*query_.after, position)) return;
    held_bytes_ += line.size() + sizeof(Row);
    held_.push_back({std::move(position), std::string(line)});
    // Twice as many as can go out: throw away the half that cannot.
    if (const size_t most = room(); most < SIZE_MAX / 4 && held_.size() > 2 * most + 1024) order();
    if (held_bytes_ > max_held_bytes) {
        order();
        send(held_.size() / 2 + 1);
    }
}

void Rows::order() {
    if (ordered_ < held_.size())
        std::ranges::sort(held_, [&](const Row& a, const Row& b) { return before(a.position, b.position); });
    while (held_.size() > room()) {
        held_bytes_ -= held_.back().line.size() + sizeof(Row);
        held_.pop_back();
    }
    ordered_ = held_.size();
}

bool Rows::wants(int64_t time) const {
    if (held_.size() < room() || ordered_ < held_.size()) return true;
    // Held rows fill the answer: only what is not behind the last one can matter. At the same time the id decides.
    const int64_t last = held_.empty() ? time : held_.back().position.time;
    return query_.newest_first ? time >= last : time <= last;
}

bool Rows::settle(int64_t bound) {
    order();
    size_t count = 0;
    while (count < held_.size()) {
        const int64_t time = held_[count].position.time;
        if (query_.newest_first ? time <= bound : time >= bound) break;
        ++count;
    }
    return send(count);
}

bool Rows::send(size_t count) {
    size_t done = 0;
    for (; done < count && room() > 0 && !stopped_; ++done) {
        held_bytes_ -= held_[done].line.size() + sizeof(Row);
        ++sent_;
        if (receiver_.row && !receiver_.row(held_[done].line)) stopped_ = true;
    }
    held_.erase(held_.begin(), held_.begin() + static_cast<ptrdiff_t>(done));
    ordered_ -= std::min(ordered_, done);
    return !stopped_ && room() > 0;
}

}  // namespace cvf::history
