// DNS in all its flavours. The first byte picks protocol and ports; the rest is messages, each behind a byte of direction and gap
// and two of length, as a stream gives them or as datagrams.
#include <cstdlib>
#include <string_view>

#include "../tests/unit/fake_context.h"

namespace {

using namespace cvf::protocol;

void run(const Protocol& protocol, bool stream, cvf::decode::Bytes bytes) {
    test::FakeContext ctx;
    ctx.responder_port = 53;
    const auto dissector = protocol.make();
    cvf::decode::Reader r(bytes);
    while (r.left() > 3) {
        const uint8_t how = r.u8();
        const auto dir = static_cast<Direction>(how & 1);
        const size_t size = std::min<size_t>(r.u16(), r.left());
        const cvf::decode::Bytes piece = r.take(size);
        ctx.now += int64_t{how} * 50'000'000;
        ctx.cut = how & 2;
        protocol.match(dir, piece, 4000, how & 4 ? 53 : 4001);
        // What data() leaves of a stream would come again with more behind it; one piece is one call here.
        if (dissector->data(dir, piece, ctx) > piece.size()) std::abort();
        if (stream && how & 8) dissector->gap(dir, how, ctx);
        if (how & 16) dissector->tick(ctx);
    }
    dissector->finish(ctx);
    for (const std::string& record : ctx.records)
        if (record.empty() || record.back() != '}') std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size < 2) return 0;
    const cvf::decode::Bytes rest(data + 1, size - 1);
    switch (data[0] % 6) {
        case 0:
            run(dns, false, rest);
            break;
        case 1:
            run(dns_tcp, true, rest);
            break;
        case 2:
            run(mdns, false, rest);
            break;
        case 3:
            run(llmnr, false, rest);
            break;
        case 4:
            run(llmnr_tcp, true, rest);
            break;
        default: {
            test::FakeContext ctx;
            dns.make()->data(Direction::from_responder, rest, ctx);  // one message, as it is
        }
    }
    return 0;
}
