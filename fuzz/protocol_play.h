// A Context that forgets everything, and a way to turn a fuzzer's bytes into the calls a flow makes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <vector>

#include "protocol/dissector.h"
#include "record/json.h"

namespace cvf::protocol::fuzz {

class SilentContext final : public Context {
 public:
    bool confirmed = false, violated = false;
    uint64_t asked[2] = {};

    record::Record& start(record::RecordType type, int64_t timestamp) override {
        record_.begin(type, timestamp);
        return record_;
    }
    // Written out, so that every borrowed piece of text is read.
    void emit(record::Record& record) override {
        buffer_.clear();
        record::write_json(record, nullptr, buffer_);
    }
    void confirm(std::string_view) override { confirmed = true; }
    void violation(std::string_view) override { violated = true; }
    void host(std::string_view) override {}
    void skip(Direction dir, uint64_t bytes) override { asked[static_cast<size_t>(dir)] = bytes; }
    void want(Direction, Want) override {}
    void hand_over(std::string_view) override {}
    bool wanted(record::RecordType) const override { return true; }
    uint16_t port(Direction end) const override { return (end == Direction::from_initiator) != swapped_ ? 50000 : 443; }
    void set_initiator(Direction dir) override {
        if (dir == Direction::from_responder) swapped_ = !swapped_;
    }
    bool swapped() const { return swapped_; }

 private:
    record::Record record_;
    record::Buffer buffer_;
    bool swapped_ = false;
};

// The input is a row of steps: a byte of control (bit 0: end; bits 1-2: send, gap, close, tick), two bytes of length, bytes to
// send.
inline void play(const Protocol& protocol, const uint8_t* data, size_t size) {
    SilentContext ctx;
    ctx.now = 1'700'000'000'000'000'000;
    const bool stream = (protocol.transports & static_cast<uint8_t>(Transport::tcp)) != 0;
    const auto dissector = protocol.make();
    std::vector<uint8_t> pending[2];
    uint64_t skip[2] = {};
    const auto direction = [&](int end) { return static_cast<Direction>((end != 0) != ctx.swapped()); };
    const auto take_skip = [&](int end) {
        uint64_t& asked = ctx.asked[static_cast<size_t>(direction(end))];
        if (asked) skip[end] = std::exchange(asked, 0);
    };
    decode::Reader steps({data, size});
    while (steps.left() >= 3) {
        const uint8_t control = steps.u8();
        const int end = control & 1;
        const size_t length = steps.u16();
        ctx.now += 1'000'000;
        switch (control >> 1 & 3) {
            case 1:
                dissector->gap(direction(end), length + pending[end].size(), ctx);
                pending[end].clear();
                break;
            case 2:
                dissector->close(direction(end), ctx);
                break;
            case 3:
                dissector->tick(ctx);
                break;
            default: {
                Bytes sent = steps.take(std::min(length, steps.left()));
                take_skip(end);
                const size_t passed = static_cast<size_t>(std::min<uint64_t>(skip[end], sent.size()));
                if (skip[end] != skip_all) skip[end] -= passed;
                sent = sent.subspan(passed);
                if (sent.empty()) break;
                protocol.match(direction(end), sent, 50000, 443);
                if (!stream) pending[end].clear();
                pending[end].insert(pending[end].end(), sent.begin(), sent.end());
                const std::vector<uint8_t> exact(pending[end]);  // its own memory: reading beyond it is seen
                const size_t used = dissector->data(direction(end), exact, ctx);
                if (used > exact.size()) std::abort();
                pending[end].erase(pending[end].begin(), pending[end].begin() + static_cast<ptrdiff_t>(used));
                if (pending[end].size() > max_pending) {
                    dissector->gap(direction(end), pending[end].size(), ctx);
                    pending[end].clear();
                }
            }
        }
        if (ctx.violated && !ctx.confirmed) return;  // the flow drops it
    }
    dissector->finish(ctx);
}

}  // namespace cvf::protocol::fuzz
