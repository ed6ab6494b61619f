// The datagrams of one QUIC connection; and, because no fuzzer makes a valid tag, what stands inside them, sealed here.
#include "../tests/unit/quic_seal.h"
#include "protocol/quic_packet.h"
#include "protocol/quic_parameters.h"
#include "protocol_play.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace cvf::protocol;
    fuzz::play(quic, data, size);
    quic_wire::match_datagram({data, size});
    quic_wire::is_genuine_retry(*quic_wire::find_version(1), {data, std::min<size_t>(size, 20)}, {data, size});
    test::FakeContext ctx;
    cvf::record::Record& record = ctx.start(cvf::record::RecordType::quic, 0);
    quic_wire::write_transport_parameters({data, size}, record);
    ctx.emit(record);
    // The same bytes as the frames of a well-sealed Initial packet of either end.
    const std::string frames(reinterpret_cast<const char*>(data), std::min<size_t>(size, 4000));
    const auto connection = quic.make();
    for (const bool from_client : {true, false}) {
        const cvf::tls_bytes::Initial initial = {1, "key", from_client, "key", "id", "", 0};
        const std::string packet = initial.packet(frames, 64);
        const std::vector<uint8_t> exact(packet.begin(), packet.end());
        connection->data(from_client ? Direction::from_initiator : Direction::from_responder, exact, ctx);
    }
    connection->finish(ctx);
    fuzz::check_records(ctx);
    quic_wire::CryptoStream stream;
    cvf::decode::Reader r({data, size});
    while (r.left() > 0) {
        const uint64_t offset = quic_wire::read_varint(r);
        const size_t length = r.u8();
        stream.add(offset, r.take(std::min(length, r.left())));
        for (const uint8_t byte : stream.joined()) asm volatile("" ::"r"(byte));
    }
    return 0;
}
