// Frames in, through decoding and the flow table to its end: the whole way of hostile traffic.
//
// The input is a row of frames, each behind its length (two bytes, big-endian) and a byte that says how much time has passed
// since the one before: 0 to 127 in microseconds, 128 to 255 in quarters of a second from 0.
#include <cstddef>
#include <cstdint>

#include "decode/bytes.h"
#include "decode/fragments.h"
#include "decode/packet.h"
#include "flow/tracker.h"
#include "record/json.h"

using namespace cvf;

namespace {

// Writes every record, so that what it borrows is read.
struct Writer final : flow::Output {
    record::Buffer text;
    void emit(record::Record& record, const flow::Flow&) override {
        text.clear();
        record::write_json(record, nullptr, text);
    }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    flow::Options options;
    options.max_flows = 6;
    options.reassembly_bytes = 4096;
    options.report_every = 5'000'000'000;
    Writer writer;
    flow::Tracker tracker(options, writer);
    decode::FragmentTable fragments;
    decode::Packet packet;
    packet.time = 1'700'000'000'000'000'000;
    decode::Reader in({data, size});
    while (in.left() > 3) {
        const size_t length = in.u16();
        const uint8_t step = in.u8();
        packet.time += step < 128 ? int64_t{step} * 1000 : int64_t{step - 128} * 250'000'000;
        packet.frame = in.take(length < in.left() ? length : in.left());
        packet.wire_length = static_cast<uint32_t>(packet.frame.size());
        packet.link = decode::LinkType::ethernet;
        decode::decode_frame(packet);
        if (packet.is_fragment) {
            if (const decode::Packet* whole = fragments.add(packet)) tracker.packet(*whole);
        } else {
            tracker.packet(packet);
        }
    }
    tracker.finish();
    if (tracker.size() != 0) __builtin_trap();
    return 0;
}
