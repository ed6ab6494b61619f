#include "controller/sequences.h"

#include <algorithm>
#include <charconv>

#include "bus/subjects.h"

namespace cvf::controller {

bool Sequences::note(std::string_view subject, std::span<const bus::Header> headers) {
    std::string_view agent;
    uint64_t first = 0, last = 0;
    const auto number = [](std::string_view text, uint64_t& out) {
        std::from_chars(text.data(), text.data() + text.size(), out);
    };
    for (const bus::Header& header : headers) {
        if (header.name == bus::header::agent) agent = header.value;
        if (header.name == bus::header::first) number(header.value, first);
        if (header.name == bus::header::last) number(header.value, last);
    }
    if (agent.empty() || first == 0 || last < first || last - first > 1'000'000) {
        totals_.unnumbered++;
        return true;
    }
    key_.assign(agent);
    key_ += '\n';
    key_ += subject;
    auto at = streams_.find(key_);
    if (at == streams_.end()) {
        if (streams_.size() >= max_streams) {
            streams_.erase(order_.front());
            order_.pop_front();
        }
        order_.push_back(key_);
        at = streams_.emplace(key_, Stream{first, {}, std::prev(order_.end())}).first;
        if (first > 1) at->second.gaps.push_back({1, first - 1, false});
    } else {
        order_.splice(order_.end(), order_, at->second.used);
    }
    Stream& stream = at->second;
    uint64_t fresh = 0;
    if (last >= stream.next) {
        if (first > stream.next) {
            totals_.missing += first - stream.next;
            stream.gaps.push_back({stream.next, first - 1});
            // The oldest that counts: what was before we came may come for as long as its agent lives.
            if (stream.gaps.size() > max_gaps) stream.gaps.erase(stream.gaps.begin() + !stream.gaps.front().missing);
        }
        const uint64_t from = std::max(first, stream.next);
        fresh = last - from + 1;
        stream.next = last + 1;
    }
    // What of it fills a gap.
    for (size_t i = 0; i < stream.gaps.size();) {
        const Gap gap = stream.gaps[i];
        const uint64_t from = std::max(gap.first, first), to = std::min(gap.last, last);
        if (from > to) {
            i++;
            continue;
        }
        fresh += to - from + 1;
        if (gap.missing) totals_.missing -= to - from + 1;
        stream.gaps.erase(stream.gaps.begin() + static_cast<ptrdiff_t>(i));
        if (to < gap.last) stream.gaps.insert(stream.gaps.begin() + static_cast<ptrdiff_t>(i), {to + 1, gap.last, gap.missing});
        if (from > gap.first)
            stream.gaps.insert(stream.gaps.begin() + static_cast<ptrdiff_t>(i++), {gap.first, from - 1, gap.missing});
        i += to < gap.last;
    }
    totals_.records += fresh;
    totals_.duplicates += last - first + 1 - fresh;
    return fresh > 0;
}

}  // namespace cvf::controller
