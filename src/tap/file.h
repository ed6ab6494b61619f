// The file tap: the packets of a capture file, one after another.
//
// A damaged file gives all packets before the fault; fault() then names file, offset and fault. The frame of a packet is borrowed
// until the next call of next(). One thread owns a FileTap.
#pragma once

#include <expected>
#include <memory>
#include <optional>
#include <string>

#include "decode/packet.h"
#include "pcapng/reader.h"

namespace cvf::tap {

struct Progress {
    uint64_t bytes_read = 0;
    uint64_t bytes_total = 0;  // 0: not known (a pipe)
};

class FileTap {
 public:
    // "-" is standard input. The error is of a file that cannot be opened or is no capture.
    static std::expected<FileTap, pcapng::Fault> open(const std::string& path);

    // Sets time, wire_length, interface, link and frame, and touches nothing else: decode_frame() comes next. False at the end or
    // a fault.
    bool next(decode::Packet& out) {
        pcapng::Captured captured;
        if (!reader_->next(captured)) [[unlikely]]
            return false;
        out.time = captured.time;
        out.wire_length = captured.wire_length;
        out.interface = captured.interface;
        out.link = static_cast<decode::LinkType>(captured.link);
        out.frame = captured.bytes;
        return true;
    }

    // Why the file ended before its end.
    const std::optional<pcapng::Fault>& fault() const { return reader_->fault(); }
    // How far: the file's own bytes, packed or not, and its interfaces and comments as far as they have been read.
    Progress progress() const { return {reader_->bytes_read(), reader_->bytes_total()}; }
    const pcapng::Reader& reader() const { return *reader_; }

 private:
    explicit FileTap(std::unique_ptr<pcapng::Reader> reader) : reader_(std::move(reader)) {}
    std::unique_ptr<pcapng::Reader> reader_;
};

}  // namespace cvf::tap
