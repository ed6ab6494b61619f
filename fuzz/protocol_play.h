// Turns a fuzzer's bytes into the calls a flow makes, with the context and the stream of the dissectors' tests.
#pragma once

#include <cstdlib>
#include <memory>
#include <vector>

#include "../tests/unit/fake_context.h"

namespace cvf::protocol::fuzz {

// Every record's JSON has been made by then, so every borrowed piece of text has been read.
inline void check_records(test::FakeContext& ctx) {
    for (const std::string& record : ctx.records)
        if (record.empty() || record.back() != '}') std::abort();
}

// The input is a row of steps: a byte of control (bit 0: end; bits 1-2: send, gap, close, tick), two bytes of length, bytes to
// send.
inline void play(const Protocol& protocol, const uint8_t* data, size_t size) {
    test::FakeContext ctx;
    ctx.now = 1'700'000'000'000'000'000;
    ctx.responder_port = 443;
    const bool stream = (protocol.transports & static_cast<uint8_t>(Transport::tcp)) != 0;
    const auto dissector = protocol.make();
    test::Player player(*dissector, ctx);
    const auto direction = [&](int end) { return static_cast<Direction>(end ^ static_cast<int>(ctx.swapped)); };
    decode::Reader steps({data, size});
    while (steps.left() >= 3 && !ctx.handed_over) {
        const uint8_t control = steps.u8();
        const int end = control & 1;
        const size_t length = steps.u16();
        ctx.now += 1'000'000;
        switch (control >> 1 & 3) {
            case 1:
                if (stream)
                    player.gap(end, length + player.pending(end));
                else
                    dissector->gap(direction(end), length, ctx);
                break;
            case 2:
                if (stream) player.close(end);
                break;
            case 3:
                dissector->tick(ctx);
                break;
            default: {
                const Bytes sent = steps.take(std::min(length, steps.left()));
                protocol.match(direction(end), sent, 50000, 443);
                if (stream) {
                    player.send(end, decode::as_text(sent));
                } else {
                    const std::vector<uint8_t> exact(sent.begin(), sent.end());  // its own memory: reading beyond it is seen
                    dissector->data(direction(end), exact, ctx);
                }
            }
        }
        if (!ctx.violations.empty() && ctx.versions.empty()) return;  // the flow drops it
    }
    player.finish();
    check_records(ctx);
}

}  // namespace cvf::protocol::fuzz
