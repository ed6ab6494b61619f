// The HTTP/1 dissector on any bytes in any order. The input is a script: each step is one byte of what happens (deliver, gap,
// close) to which end, two bytes of length, and for a delivery the bytes. The flow's part is played as protocol/dissector.h has
// it.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>

#include "protocol/dissector.h"
#include "record/json.h"

using namespace cvf;
using protocol::Bytes;
using protocol::Direction;

namespace {

void must(bool condition) {
    if (!condition) std::abort();
}

class Flow final : public protocol::Context {
 public:
    explicit Flow(bool may_swap) : may_swap_(may_swap) {}

    bool done = false;  // handed over

    record::Record& start(record::RecordType type, int64_t timestamp) override {
        record_.begin(type, timestamp);
        return record_;
    }
    void emit(record::Record& record) override {
        must(confirmed_);
        buffer_.clear();
        record::write_json(record, nullptr, buffer_);
    }
    void confirm(std::string_view) override { confirmed_ = true; }
    void violation(std::string_view reason) override {
        must(!reason.empty());
        if (!confirmed_) done = true;
    }
    void host(std::string_view name) override { must(!name.empty()); }
    void skip(Direction dir, uint64_t bytes) override {
        must(bytes > 0);
        asked_[end_of(dir)] = bytes;
    }
    uint64_t skipped(Direction dir) const override { return skipped_[end_of(dir)]; }
    void want(Direction, protocol::Want) override {}
    void hand_over(std::string_view) override { done = true; }
    bool wanted(record::RecordType) const override { return true; }
    uint16_t port(Direction end) const override { return end_of(end) ? 80 : 50000; }
    void set_initiator(Direction dir) override {
        if (may_swap_ && dir == Direction::from_responder) swapped_ = !swapped_;
    }

    void deliver(protocol::Dissector& dissector, size_t end, std::string text) {
        const uint64_t n = pass(end, text.size());
        text.erase(0, n);
        if (skip_[end]) return;
        pending_[end] += text;
        offer(dissector, end);
        if (pending_[end].size() > protocol::max_pending) gap(dissector, end, 0);
    }
    void gap(protocol::Dissector& dissector, size_t end, uint64_t bytes) {
        const uint64_t passed = pass(end, bytes);
        bytes -= passed;
        if (bytes == 0 && pending_[end].size() <= protocol::max_pending) {
            if (passed && !skip_[end]) offer(dissector, end);
            return;
        }
        bytes += pending_[end].size();
        pending_[end].clear();
        dissector.gap(direction_of(end), bytes, *this);
        skip_[end] = std::exchange(asked_[end], 0);
    }
    Direction direction_of(size_t end) const { return static_cast<Direction>((end != 0) != swapped_); }

 private:
    size_t end_of(Direction dir) const { return (dir == Direction::from_responder) != swapped_; }
    uint64_t pass(size_t end, uint64_t bytes) {
        const uint64_t n = std::min(skip_[end], bytes);
        if (skip_[end] != protocol::skip_all) skip_[end] -= n;
        skipped_[end] += n;
        return n;
    }
    void offer(protocol::Dissector& dissector, size_t end) {
        while (!done) {
            // Memory of just the size, so that reading past its end is seen.
            const size_t size = pending_[end].size();
            const auto memory = std::make_unique<uint8_t[]>(size);
            std::memcpy(memory.get(), pending_[end].data(), size);
            const size_t used = dissector.data(direction_of(end), Bytes(memory.get(), size), *this);
            must(used <= size);
            pending_[end].erase(0, used);
            if (!asked_[end]) return;
            skip_[end] = std::exchange(asked_[end], 0);
            pending_[end].erase(0, pass(end, pending_[end].size()));
            if (skip_[end]) return;
        }
    }

    bool may_swap_, swapped_ = false, confirmed_ = false;
    record::Record record_;
    record::Buffer buffer_;
    std::string pending_[2];
    uint64_t asked_[2] = {}, skip_[2] = {}, skipped_[2] = {};
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size < 1) return 0;
    Flow flow(data[0] & 1);
    const auto dissector = protocol::http.make();
    for (size_t at = 1; at + 3 <= size && !flow.done;) {
        const uint8_t what = data[at];
        const size_t n = static_cast<size_t>(data[at + 1] << 8 | data[at + 2]), end = what & 1;
        at += 3;
        flow.now += n;
        switch (what >> 1 & 7) {
            default: {
                const size_t take = std::min(n, size - at);
                const std::string text(reinterpret_cast<const char*>(data + at), take);
                protocol::http.match(flow.direction_of(end), Bytes(data + at, take), 1, 2);
                at += take;
                // Some deliveries come in small pieces.
                const size_t piece = what & 0x40 ? 1 + (what >> 4 & 3) : std::max<size_t>(take, 1);
                for (size_t i = 0; i < text.size() && !flow.done; i += piece)
                    flow.deliver(*dissector, end, text.substr(i, piece));
                break;
            }
            case 6:
                flow.gap(*dissector, end, n);
                break;
            case 7:
                dissector->close(flow.direction_of(end), flow);
                break;
        }
    }
    dissector->finish(flow);
    return 0;
}
