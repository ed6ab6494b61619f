// ICMP and ICMPv6. The first byte picks which; the rest is messages, each behind a byte of direction and time and one of length.
#include <algorithm>
#include <cstdlib>

#include "../tests/unit/fake_context.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace cvf::protocol;
    if (size < 2) return 0;
    test::FakeContext ctx;
    const auto dissector = (data[0] & 1 ? icmpv6 : icmp).make();
    cvf::decode::Reader r(cvf::decode::Bytes(data + 1, size - 1));
    while (r.left() > 2) {
        const uint8_t how = r.u8();
        const size_t length = r.u8();
        const cvf::decode::Bytes piece = r.take(std::min(length, r.left()));
        ctx.now += int64_t{how} * 30'000'000;
        ctx.cut = how & 2;
        dissector->data(static_cast<Direction>(how & 1), piece, ctx);
        if (how & 4) dissector->tick(ctx);
    }
    dissector->finish(ctx);
    for (const std::string& record : ctx.records)
        if (record.empty() || record.back() != '}') std::abort();
    return 0;
}
