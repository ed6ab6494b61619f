#include "pcapng/reader.h"

#include <fmt/format.h>

#include <algorithm>

namespace cvf::pcapng {
namespace {

constexpr size_t block_size = 256 * 1024;
constexpr uint32_t longest_block = Reader::longest_packet + 64 * 1024;  // a packet and its options
constexpr size_t most_interfaces = 65536;

namespace block {
constexpr uint32_t section_header = 0x0a0d0d0a, interface_description = 1, obsolete_packet = 2, simple_packet = 3,
                   enhanced_packet = 6;
constexpr uint32_t byte_order_magic = 0x1a2b3c4d;
}  // namespace block

// Link types that mean raw IP but were written with the number of a BSD.
uint16_t normal_link(uint32_t link) {
    constexpr uint16_t raw_ip = 101;
    const auto low = static_cast<uint16_t>(link);  // above stand the length of a frame check sequence and flags
    return low == 12 || low == 14 ? raw_ip : low;
}

uint64_t power_of_ten(unsigned n) {
    uint64_t v = 1;
    while (n-- > 0) v *= 10;
    return v;
}

constexpr size_t padded(size_t n) {
    return (n + 3) & ~size_t{3};
}

}  // namespace

std::string Fault::text() const {
    if (!opened) return fmt::format("{}: {}", file, what);
    return fmt::format("{}: byte {}{}: {}", file, offset, unpacked ? " (unpacked)" : "", what);
}

int64_t Interface::to_unix_ns(uint64_t stamp) const {
    // Unsigned throughout: a hostile stamp wraps to a wrong time and nothing worse.
    uint64_t ns;
    if (binary) {
        ns = static_cast<uint64_t>(static_cast<unsigned __int128>(stamp) * 1'000'000'000u >> digits);
    } else if (digits <= 9) {
        ns = stamp * power_of_ten(9u - digits);
    } else {
        ns = digits - 9u > 19 ? 0 : stamp / power_of_ten(digits - 9u);
    }
    // Nor may it be so far out that adding to it overflows: 1970 to 2200.
    constexpr int64_t latest = 7'258'118'400'000'000'000;
    return std::clamp<int64_t>(static_cast<int64_t>(ns + static_cast<uint64_t>(offset) * 1'000'000'000u), 0, latest);
}

bool Reader::fail(uint64_t at, std::string what) {
    if (!fault_) fault_ = Fault{file_, at, source_ && source_->packed(), std::move(what), true};
    format_ = Format::ended;
    plain_unit_ = 0;
    end_ = at_;
    packet_options_ = {};
    return false;
}

// fill(size) was false at the record or header that stands at at_.
bool Reader::cut_short(std::string_view what, uint64_t size) {
    if (!source_fault_.empty()) return fail(offset(), source_fault_);
    return fail(offset(), fmt::format("{} is cut short: {} bytes of {}", what, left(), size));
}

bool Reader::fill(size_t n) {
    if (left() >= n) return true;
    const size_t kept = left();
    if (n > capacity_) {
        const size_t larger = std::max(n, block_size);
        auto grown = std::make_unique_for_overwrite<uint8_t[]>(larger);
        if (kept > 0) std::memcpy(grown.get(), at_, kept);
        offset_of_buffer_ = offset();
        buffer_ = std::move(grown);
        capacity_ = larger;
    } else {
        offset_of_buffer_ = offset();
        std::memmove(buffer_.get(), at_, kept);
    }
    at_ = buffer_.get();
    size_t filled = kept;
    while (filled < n && source_fault_.empty()) {
        const auto got = source_->read(buffer_.get() + filled, capacity_ - filled);
        if (!got)
            source_fault_ = got.error();
        else if (*got == 0)
            break;
        else
            filled += *got;
    }
    end_ = buffer_.get() + filled;
    return filled >= n;
}

// Passes n bytes without keeping them; false when the file ends before.
bool Reader::skip(uint64_t n) {
    while (n > 0) {
        if (left() == 0 && !fill(1)) return false;
        const size_t step = static_cast<size_t>(std::min<uint64_t>(n, left()));
        at_ += step;
        n -= step;
    }
    return true;
}

std::expected<std::unique_ptr<Reader>, Fault> Reader::open(const std::string& path) {
    std::unique_ptr<Reader> reader(new Reader);
    reader->file_ = path == "-" ? "standard input" : path;
    auto source = open_source(path);
    if (!source) return std::unexpected(Fault{reader->file_, 0, false, source.error(), false});
    reader->source_ = std::move(source->source);
    reader->size_ = source->size;
    reader->buffer_ = std::make_unique_for_overwrite<uint8_t[]>(block_size);
    reader->capacity_ = block_size;
    reader->at_ = reader->end_ = reader->buffer_.get();
    if (!reader->read_header()) return std::unexpected(*reader->fault_);
    return reader;
}

bool Reader::read_header() {
    if (!fill(4)) {
        if (!source_fault_.empty()) return fail(0, source_fault_);
        return fail(0, left() == 0 ? "the file is empty" : "not a capture file (pcap or pcapng)");
    }
    uint32_t magic;
    std::memcpy(&magic, at_, 4);
    if (magic == block::section_header) {
        format_ = Format::pcapng;
        describes_ = true;
        if (!fill(12)) return cut_short("section header", 28);
        const uint32_t length_field = [&] {
            uint32_t order;
            std::memcpy(&order, at_ + 8, 4);
            swapped_ = order == __builtin_bswap32(block::byte_order_magic);
            return u32(at_ + 4);
        }();
        return section_header(length_field);
    }
    constexpr uint32_t microseconds = 0xa1b2c3d4, nanoseconds = 0xa1b23c4d, patched = 0xa1b2cd34;
    const uint32_t swapped_magic = __builtin_bswap32(magic);
    swapped_ = swapped_magic == microseconds || swapped_magic == nanoseconds || swapped_magic == patched;
    if (swapped_) magic = swapped_magic;
    if (magic != microseconds && magic != nanoseconds && magic != patched) return fail(0, "not a capture file (pcap or pcapng)");
    if (!fill(24)) return cut_short("file header", 24);
    if (u16(at_ + 4) != 2) return fail(4, fmt::format("pcap version {}.{} is not known", u16(at_ + 4), u16(at_ + 6)));
    format_ = magic == patched ? Format::pcap_patched : Format::pcap;
    unit_ = magic == nanoseconds ? 1 : 1000;
    Interface& only = interfaces_.emplace_back();
    only.link = link_ = normal_link(u32(at_ + 20));
    only.snap_length = u32(at_ + 16);
    only.digits = magic == nanoseconds ? 9 : 6;
    if (!swapped_ && format_ == Format::pcap) plain_unit_ = unit_;
    at_ += 24;
    return true;
}

bool Reader::next_slow(Captured& out) {
    switch (format_) {
        case Format::pcap:
        case Format::pcap_patched:
            return next_pcap(out);
        case Format::pcapng:
            return next_block(out);
        case Format::ended:
            break;
    }
    return false;
}

bool Reader::next_pcap(Captured& out) {
    const size_t header = format_ == Format::pcap_patched ? 24 : 16;
    if (!fill(header)) {
        if (left() > 0 || !source_fault_.empty()) return cut_short("record header", header);
        format_ = Format::ended;
        plain_unit_ = 0;
        return false;
    }
    const uint32_t captured = u32(at_ + 8);
    if (captured > longest_packet) return fail(offset(), fmt::format("a record of {} bytes is longer than any packet", captured));
    if (!fill(header + captured)) return cut_short("record", header + captured);
    out.time = static_cast<int64_t>(u32(at_)) * 1'000'000'000 + static_cast<int64_t>(static_cast<uint64_t>(u32(at_ + 4)) * unit_);
    out.wire_length = std::max(u32(at_ + 12), captured);
    out.interface = 0;
    out.link = link_;
    out.bytes = {at_ + header, captured};
    at_ += header + captured;
    return true;
}

template <class Each>
void Reader::options(std::span<const uint8_t> list, Each each) const {
    while (list.size() >= 4) {
        const uint16_t code = u16(list.data()), size = u16(list.data() + 2);
        list = list.subspan(4);
        if (code == 0 || size > list.size()) return;
        each(code, list.first(size));
        list = list.subspan(std::min(padded(size), list.size()));
    }
}

static std::string_view text(std::span<const uint8_t> value) {
    std::string_view t(reinterpret_cast<const char*>(value.data()), value.size());
    if (t.size() > Reader::longest_text) {
        t = t.substr(0, Reader::longest_text + 1);
        // Not in the middle of a character of UTF-8.
        for (int i = 0; i < 3 && (static_cast<unsigned char>(t.back()) & 0xc0) == 0x80; ++i) t.remove_suffix(1);
        t.remove_suffix(1);
    }
    while (!t.empty() && t.back() == '\0') t.remove_suffix(1);
    return t;
}

// One block after another until one is a packet.
bool Reader::next_block(Captured& out) {
    packet_options_ = {};
    for (;;) {
        if (!fill(12)) {
            if (left() > 0 || !source_fault_.empty()) return cut_short("block header", 12);
            format_ = Format::ended;
            return false;
        }
        const uint32_t type = u32(at_);
        if (type == block::section_header) {
            uint32_t order;
            std::memcpy(&order, at_ + 8, 4);
            swapped_ = order == __builtin_bswap32(block::byte_order_magic);
            if (!section_header(u32(at_ + 4))) return false;
            continue;
        }
        const uint32_t length = u32(at_ + 4);
        if (length < 12 || length % 4 != 0) return fail(offset(), fmt::format("a block of {} bytes cannot be", length));
        const bool wanted = type == block::enhanced_packet || type == block::obsolete_packet || type == block::simple_packet ||
                            type == block::interface_description;
        if (!wanted) {
            const uint64_t start = offset();
            if (!skip(length)) {
                if (!source_fault_.empty()) return fail(offset(), source_fault_);
                return fail(start, fmt::format("block is cut short: {} bytes of {}", offset() - start, length));
            }
            continue;
        }
        if (length > longest_block) return fail(offset(), fmt::format("a block of {} bytes is longer than any packet", length));
        if (!fill(length)) return cut_short("block", length);
        if (u32(at_ + length - 4) != length) return fail(offset(), "the two lengths of a block differ");
        const std::span<const uint8_t> body{at_ + 8, length - 12};
        bool good;
        switch (type) {
            case block::interface_description:
                good = interface_block(body);
                break;
            case block::simple_packet:
                good = simple_packet(body, out);
                break;
            default:
                good = enhanced_packet(body, type == block::obsolete_packet, out);
                break;
        }
        if (!good) return false;
        at_ += length;
        if (type != block::interface_description) return true;
    }
}

bool Reader::section_header(uint32_t length) {
    if (length < 28 || length % 4 != 0 || length > longest_block)
        return fail(offset(), fmt::format("a section header of {} bytes cannot be", length));
    if (!fill(length)) return cut_short("section header", length);
    if (u32(at_ + 8) != block::byte_order_magic) return fail(offset() + 8, "no byte-order magic in the section header");
    if (u32(at_ + length - 4) != length) return fail(offset(), "the two lengths of a block differ");
    if (u16(at_ + 12) != 1)
        return fail(offset() + 12, fmt::format("pcapng version {}.{} is not known", u16(at_ + 12), u16(at_ + 14)));
    section_comment_.clear();
    options({at_ + 24, length - 28}, [&](uint16_t code, std::span<const uint8_t> value) {
        if (code == 1) section_comment_ = text(value);
    });
    first_interface_ = static_cast<uint32_t>(interfaces_.size());
    at_ += length;
    return true;
}

bool Reader::interface_block(std::span<const uint8_t> body) {
    if (body.size() < 8) return fail(offset(), "interface description is too short");
    if (interfaces_.size() >= most_interfaces) return fail(offset(), "more interfaces than can be");
    Interface& i = interfaces_.emplace_back();
    i.link = normal_link(u16(body.data()));
    i.snap_length = u32(body.data() + 4);
    options(body.subspan(8), [&](uint16_t code, std::span<const uint8_t> value) {
        switch (code) {
            case 1:
                i.comment = text(value);
                break;
            case 2:
                i.name = text(value);
                break;
            case 3:
                i.description = text(value);
                break;
            case 9:
                if (value.size() != 1) break;
                i.binary = value[0] & 0x80;
                i.digits = value[0] & 0x7f;
                break;
            case 14:
                if (value.size() == 8) {
                    uint64_t v;
                    std::memcpy(&v, value.data(), 8);
                    i.offset = static_cast<int64_t>(swapped_ ? __builtin_bswap64(v) : v);
                }
                break;
            default:
                break;
        }
    });
    return true;
}

bool Reader::enhanced_packet(std::span<const uint8_t> body, bool obsolete, Captured& out) {
    constexpr size_t header = 20;
    if (body.size() < header) return fail(offset(), "packet block is too short");
    // The obsolete one has 16 bits of interface and 16 of drops where this one has 32 of interface.
    const uint64_t number = first_interface_ + static_cast<uint64_t>(obsolete ? u16(body.data()) : u32(body.data()));
    if (number >= interfaces_.size()) return fail(offset(), "packet of an interface that was not described");
    const Interface& i = interfaces_[number];
    const uint32_t captured = u32(body.data() + 12);
    if (captured > body.size() - header)
        return fail(offset(), fmt::format("a packet of {} bytes in a block of {}", captured, body.size() + 12));
    const uint64_t stamp = static_cast<uint64_t>(u32(body.data() + 4)) << 32 | u32(body.data() + 8);
    out.time = last_time_ = i.to_unix_ns(stamp);
    out.wire_length = std::max(u32(body.data() + 16), captured);
    out.interface = static_cast<uint32_t>(number);
    out.link = i.link;
    out.bytes = body.subspan(header, captured);
    packet_options_ = body.subspan(std::min(header + padded(captured), body.size()));
    return true;
}

bool Reader::simple_packet(std::span<const uint8_t> body, Captured& out) {
    if (body.size() < 4) return fail(offset(), "packet block is too short");
    if (first_interface_ >= interfaces_.size()) return fail(offset(), "packet of an interface that was not described");
    const Interface& i = interfaces_[first_interface_];
    const uint32_t wire = u32(body.data());
    size_t captured = std::min<size_t>(wire, body.size() - 4);
    if (i.snap_length != 0) captured = std::min<size_t>(captured, i.snap_length);
    out.time = last_time_;  // it has none; that of its neighbour is the nearest
    out.wire_length = wire;
    out.interface = first_interface_;
    out.link = i.link;
    out.bytes = body.subspan(4, captured);
    return true;
}

size_t Reader::comments(std::span<std::string_view> into) const {
    size_t found = 0;
    if (packet_options_.empty()) return found;
    options(packet_options_, [&](uint16_t code, std::span<const uint8_t> value) {
        if (code != 1 || found == into.size()) return;
        if (const std::string_view comment = text(value); !comment.empty()) into[found++] = comment;
    });
    return found;
}

}  // namespace cvf::pcapng
