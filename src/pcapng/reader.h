// Reads capture files: pcap (draft-ietf-opsawg-pcap, microseconds, nanoseconds and the patched format with 24-byte record
// headers) and pcapng (draft-ietf-opsawg-pcapng, several sections and interfaces, comments), either byte order, plain or packed
// with gzip or zstd.
//
// A damaged file is no exception: all packets before the fault come out, then next() is false and fault() says where and what.
// Memory is bounded: the longest packet allowed is 16 MiB, 65,536 interfaces with some 800 bytes of text each may be described,
// and what is packed may ask for a window of 32 MiB. One thread owns a Reader.
#pragma once

#include <cstdint>
#include <cstring>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pcapng/source.h"

namespace cvf::pcapng {

// One packet. The bytes are valid until the next call of next().
struct Captured {
    int64_t time = 0;          // ns since 1970 UTC
    uint32_t wire_length = 0;  // not less than bytes.size()
    uint32_t interface = 0;    // index into Reader::interfaces()
    uint16_t link = 0;         // LINKTYPE_ number
    std::span<const uint8_t> bytes;
};

struct Interface {
    uint16_t link = 0;
    uint32_t snap_length = 0;                // 0: no limit
    std::string name, description, comment;  // their first longest_text bytes

    // Time stamps are units of 10^-digits or, when binary, 2^-digits seconds, from `offset` seconds after 1970.
    bool binary = false;
    uint8_t digits = 6;
    int64_t offset = 0;
    int64_t to_unix_ns(uint64_t stamp) const;
};

struct Fault {
    std::string file;
    uint64_t offset = 0;    // of the record or header that is wrong
    bool unpacked = false;  // the offset counts bytes after unpacking
    std::string what;
    bool opened = true;        // false: nothing could be read of it, and there is no offset
    std::string text() const;  // "FILE: byte OFFSET: WHAT", or "FILE: WHAT"; one line
};

class Reader {
 public:
    // "-" is standard input. A file without a readable header is a fault here.
    static std::expected<std::unique_ptr<Reader>, Fault> open(const std::string& path);

    // False at the end or at a fault; then always.
    bool next(Captured& out);

    const std::optional<Fault>& fault() const { return fault_; }
    // Those described so far; grows while a pcapng file is read. References are valid until next().
    const std::vector<Interface>& interfaces() const { return interfaces_; }
    // Whether the file may say more than packets: names of interfaces, comments (pcapng).
    bool describes() const { return describes_; }
    // The comments on the packet last read, as many as `into` has room for; returns how many. Borrowed until next().
    size_t comments(std::span<std::string_view> into) const;
    // The comment of the current section of a pcapng file.
    std::string_view section_comment() const { return section_comment_; }

    // Of the file itself, packed or not. Size 0: not known.
    uint64_t bytes_read() const { return source_->packed() ? source_->consumed() : offset(); }
    uint64_t bytes_total() const { return size_; }

    static constexpr uint32_t longest_packet = 16u << 20;
    static constexpr size_t longest_text = 256;  // kept of a name, a description or a comment

 private:
    enum class Format : uint8_t { pcap, pcap_patched, pcapng, ended };

    Reader() = default;
    size_t left() const { return static_cast<size_t>(end_ - at_); }
    uint64_t offset() const { return offset_of_buffer_ + static_cast<uint64_t>(at_ - buffer_.get()); }
    // Makes n bytes stand at at_; false when the file has no more.
    bool fill(size_t n);
    bool skip(uint64_t n);
    bool fail(uint64_t at, std::string what);
    bool cut_short(std::string_view what, uint64_t size);

    bool read_header();
    bool next_slow(Captured& out);
    bool next_pcap(Captured& out);
    bool next_block(Captured& out);
    bool section_header(uint32_t length);
    bool interface_block(std::span<const uint8_t> body);
    bool enhanced_packet(std::span<const uint8_t> body, bool obsolete, Captured& out);
    bool simple_packet(std::span<const uint8_t> body, Captured& out);
    template <class Each>
    void options(std::span<const uint8_t> list, Each each) const;

    uint16_t u16(const uint8_t* p) const {
        uint16_t v;
        std::memcpy(&v, p, 2);
        return swapped_ ? __builtin_bswap16(v) : v;
    }
    uint32_t u32(const uint8_t* p) const {
        uint32_t v;
        std::memcpy(&v, p, 4);
        return swapped_ ? __builtin_bswap32(v) : v;
    }

    const uint8_t* at_ = nullptr;
    const uint8_t* end_ = nullptr;
    // pcap in this machine's byte order, which has a short way in next(): nanoseconds per unit; else 0.
    uint32_t plain_unit_ = 0;
    uint16_t link_ = 0;  // pcap
    Format format_ = Format::pcap;
    bool swapped_ = false;
    bool describes_ = false;
    uint32_t unit_ = 1000;          // pcap: nanoseconds per unit of the fraction
    uint32_t first_interface_ = 0;  // of this section
    int64_t last_time_ = 0;         // for packets without a time of their own

    std::unique_ptr<uint8_t[]> buffer_;
    size_t capacity_ = 0;
    uint64_t offset_of_buffer_ = 0;
    std::unique_ptr<Source> source_;
    uint64_t size_ = 0;
    std::string file_, source_fault_, section_comment_;
    std::vector<Interface> interfaces_;
    std::span<const uint8_t> packet_options_;
    std::optional<Fault> fault_;
};

inline bool Reader::next(Captured& out) {
    constexpr size_t header = 16;
    const size_t there = left();
    if (plain_unit_ != 0 && there >= header) [[likely]] {
        uint32_t head[4];  // seconds, fraction, bytes captured, bytes on the wire
        std::memcpy(head, at_, header);
        if (head[2] <= there - header) [[likely]] {
            out.time = static_cast<int64_t>(head[0]) * 1'000'000'000 +
                       static_cast<int64_t>(static_cast<uint64_t>(head[1]) * plain_unit_);
            out.wire_length = head[3] > head[2] ? head[3] : head[2];
            out.interface = 0;
            out.link = link_;
            out.bytes = {at_ + header, head[2]};
            at_ += header + head[2];
            return true;
        }
    }
    return next_slow(out);
}

}  // namespace cvf::pcapng
