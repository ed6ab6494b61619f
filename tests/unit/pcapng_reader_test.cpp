#include "pcapng/reader.h"

#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

#include <vector>

#include "pcapng_files.h"

namespace cvf::pcapng::test {
namespace {

struct Got {
    int64_t time;
    uint32_t wire_length, interface;
    uint16_t link;
    std::string bytes, comment;
};

struct Outcome {
    std::vector<Got> packets;
    std::string fault;
    uint64_t offset = 0;
    std::vector<Interface> interfaces;
    uint64_t bytes_read = 0, bytes_total = 0;
};

std::string first_comment(const Reader& reader) {
    std::string_view found[1];
    return reader.comments(found) ? std::string(found[0]) : std::string();
}

Outcome read_all(const std::string& content) {
    const File file(content);
    Outcome o;
    auto opened = Reader::open(file.path());
    const auto note = [&](const Fault& f) {
        o.fault = f.what;
        o.offset = f.offset;
        EXPECT_EQ(f.file, file.path());
    };
    if (!opened) {
        note(opened.error());
        return o;
    }
    Reader& r = **opened;
    Captured c;
    while (r.next(c))
        o.packets.push_back(
            {c.time, c.wire_length, c.interface, c.link, std::string(c.bytes.begin(), c.bytes.end()), first_comment(r)});
    EXPECT_FALSE(r.next(c)) << "the end stays the end";
    if (r.fault()) note(*r.fault());
    o.interfaces = r.interfaces();
    o.bytes_read = r.bytes_read();
    o.bytes_total = r.bytes_total();
    return o;
}

std::string gzip(const std::string& s) {
    z_stream z{};
    deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
    std::string out(deflateBound(&z, s.size()) + 64, '\0');
    z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(s.data()));
    z.avail_in = static_cast<uInt>(s.size());
    z.next_out = reinterpret_cast<Bytef*>(out.data());
    z.avail_out = static_cast<uInt>(out.size());
    deflate(&z, Z_FINISH);
    out.resize(z.total_out);
    deflateEnd(&z);
    return out;
}
std::string zstd(const std::string& s) {
    std::string out(ZSTD_compressBound(s.size()), '\0');
    out.resize(ZSTD_compress(out.data(), out.size(), s.data(), s.size(), 3));
    return out;
}

constexpr Order little{false}, big{true};

TEST(PcapReader, ReadsBothByteOrdersAndBothUnits) {
    for (const Order o : {little, big}) {
        const Outcome micro =
            read_all(pcap_header(o) + pcap_record(o, 10, 5, "abc", 100) + pcap_record(o, 4'000'000'000, 999'999, ""));
        ASSERT_EQ(micro.packets.size(), 2u);
        EXPECT_EQ(micro.fault, "");
        EXPECT_EQ(micro.packets[0].time, 10'000'005'000);
        EXPECT_EQ(micro.packets[0].bytes, "abc");
        EXPECT_EQ(micro.packets[0].wire_length, 100u);
        EXPECT_EQ(micro.packets[0].link, 1);
        EXPECT_EQ(micro.packets[1].time, 4'000'000'000'999'999'000) << "seconds are unsigned";
        const Outcome nano = read_all(pcap_header(o, 0xa1b23c4d, 276) + pcap_record(o, 1, 7, "x"));
        ASSERT_EQ(nano.packets.size(), 1u);
        EXPECT_EQ(nano.packets[0].time, 1'000'000'007);
        EXPECT_EQ(nano.packets[0].link, 276);
    }
}

TEST(PcapReader, ReadsThePatchedFormat) {
    const std::string record = pcap_record(little, 1, 2, "abc");
    const Outcome o = read_all(pcap_header(little, 0xa1b2cd34) + record.substr(0, 16) + std::string(8, '\7') + record.substr(16));
    ASSERT_EQ(o.packets.size(), 1u);
    EXPECT_EQ(o.packets[0].bytes, "abc");
}

TEST(PcapReader, IgnoresTheCheckSequenceBitsOfTheLinkType) {
    EXPECT_EQ(read_all(pcap_header(little, 0xa1b2c3d4, 0x44000001) + pcap_record(little, 1, 2, "a")).packets.at(0).link, 1);
    EXPECT_EQ(read_all(pcap_header(little, 0xa1b2c3d4, 12) + pcap_record(little, 1, 2, "a")).packets.at(0).link, 101);
}

TEST(PcapReader, GivesTheRecordsBeforeACut) {
    const std::string good = pcap_header(little) + pcap_record(little, 1, 2, "abc"), next = pcap_record(little, 1, 3, "defg");
    for (size_t n = 1; n < next.size(); ++n) {
        const Outcome o = read_all(good + next.substr(0, n));
        ASSERT_EQ(o.packets.size(), 1u);
        EXPECT_NE(o.fault.find("cut short"), std::string::npos);
        EXPECT_EQ(o.offset, good.size());
    }
}

TEST(PcapReader, RefusesARecordLongerThanAnyPacket) {
    const Outcome o = read_all(pcap_header(little) + pcap_record(little, 1, 2, "abc") + little.u32(1) + little.u32(1) +
                               little.u32(0x7fffffff) + little.u32(5) + std::string(100, 'x'));
    EXPECT_EQ(o.packets.size(), 1u);
    EXPECT_NE(o.fault.find("longer than any packet"), std::string::npos);
}

TEST(PcapReader, SaysWhatIsNoCapture) {
    EXPECT_EQ(read_all("").fault, "the file is empty");
    EXPECT_EQ(read_all("ab").fault, "not a capture file (pcap or pcapng)");
    EXPECT_EQ(read_all("#!/bin/sh\necho this is a script\n").fault, "not a capture file (pcap or pcapng)");
    EXPECT_NE(read_all(pcap_header(little).substr(0, 20)).fault.find("cut short"), std::string::npos);
    EXPECT_EQ(read_all(gzip("no capture")).fault, "not a capture file (pcap or pcapng)");
    const auto missing = Reader::open("/nowhere/at/all.pcap");
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().text(), "/nowhere/at/all.pcap: No such file or directory");
    const auto folder = Reader::open("/");
    ASSERT_FALSE(folder);
    EXPECT_EQ(folder.error().what, "Is a directory");
}

TEST(PcapReader, ReadsRecordsThatCrossItsBlocks) {
    std::string content = pcap_header(little);
    constexpr size_t count = 3000;
    for (uint32_t i = 0; i < count; ++i) content += pcap_record(little, i, 0, std::string(100 + i % 900, static_cast<char>(i)));
    content += pcap_record(little, 7, 0, std::string(3u << 20, 'L'));
    for (const std::string& form : {content, gzip(content), zstd(content)}) {
        const Outcome o = read_all(form);
        ASSERT_EQ(o.packets.size(), count + 1);
        EXPECT_EQ(o.fault, "");
        for (uint32_t i = 0; i < count; ++i) {
            ASSERT_EQ(o.packets[i].time, i * int64_t{1'000'000'000});
            ASSERT_EQ(o.packets[i].bytes, std::string(100 + i % 900, static_cast<char>(i)));
        }
        EXPECT_EQ(o.packets.back().bytes.size(), 3u << 20);
        EXPECT_EQ(o.bytes_read, form.size());
        EXPECT_EQ(o.bytes_total, form.size());
    }
}

TEST(PcapReader, UnpacksMembersOneAfterAnother) {
    const std::string head = pcap_header(little), first = pcap_record(little, 1, 2, "abc"),
                      second = pcap_record(little, 1, 3, "def");
    EXPECT_EQ(read_all(gzip(head + first) + gzip(second)).packets.size(), 2u);
    EXPECT_EQ(read_all(zstd(head + first) + zstd(second)).packets.size(), 2u);
    EXPECT_EQ(read_all(gzip(head + first) + std::string(512, '\0')).fault, "") << "padding behind the last member";
    // As pzstd writes: a frame to be skipped before each.
    const std::string skipped("\x50\x2a\x4d\x18\4\0\0\0size", 12);
    EXPECT_EQ(read_all(skipped + zstd(head + first) + skipped + zstd(second)).packets.size(), 2u);
}

TEST(PcapReader, GivesTheRecordsBeforePackedDataEndOrBreak) {
    std::string content = pcap_header(little);
    uint32_t noise = 1;
    for (uint32_t i = 0; i < 2000; ++i) {
        std::string bytes(200, '\0');
        for (char& c : bytes) c = static_cast<char>((noise = noise * 1664525 + 1013904223) >> 24);
        content += pcap_record(little, i, 0, bytes);
    }
    for (const std::string& packed : {gzip(content), zstd(content)}) {
        const Outcome cut = read_all(packed.substr(0, packed.size() / 2));
        EXPECT_GT(cut.packets.size(), 300u);
        EXPECT_LT(cut.packets.size(), 1100u);
        EXPECT_NE(cut.fault.find("end early"), std::string::npos) << cut.fault;
    }
    std::string broken = gzip(content);
    broken.replace(broken.size() / 2, 200, std::string(200, '\xff'));
    const Outcome damaged = read_all(broken);
    EXPECT_GT(damaged.packets.size(), 300u);
    EXPECT_NE(damaged.fault, "");
}

TEST(PcapngReader, ReadsInterfacesWithTheirNamesAndClocks) {
    for (const Order o : {little, big}) {
        const Outcome out = read_all(
            section(o) + interface(o, 1, option(o, 2, "eth0") + option(o, 3, "uplink") + option(o, 9, std::string(1, '\x09'))) +
            interface(o, 113, option(o, 9, std::string(1, '\x8a')) + option(o, 14, o(int64_t{100}))) + interface(o, 101) +
            packet(o, 0, 1'000'000'007, "abc") + packet(o, 1, 3 * 1024 + 512, "de") + packet(o, 2, 5'000'001, "f"));
        EXPECT_EQ(out.fault, "");
        ASSERT_EQ(out.packets.size(), 3u);
        EXPECT_EQ(out.packets[0].time, 1'000'000'007);
        EXPECT_EQ(out.packets[0].bytes, "abc");
        EXPECT_EQ(out.packets[1].time, 103'500'000'000) << "units of 2^-10 s, from second 100 on";
        EXPECT_EQ(out.packets[1].link, 113);
        EXPECT_EQ(out.packets[2].time, 5'000'001'000) << "microseconds when nothing is said";
        EXPECT_EQ(out.packets[2].interface, 2u);
        ASSERT_EQ(out.interfaces.size(), 3u);
        EXPECT_EQ(out.interfaces[0].name, "eth0");
        EXPECT_EQ(out.interfaces[0].description, "uplink");
    }
}

TEST(PcapngReader, ConvertsAnyUnitWithoutOverflow) {
    Interface i;
    i.digits = 12;
    EXPECT_EQ(i.to_unix_ns(5'000'000'000'123), 5'000'000'000);
    i.digits = 127;
    EXPECT_EQ(i.to_unix_ns(UINT64_MAX), 0);
    i.digits = 0;
    EXPECT_EQ(i.to_unix_ns(3), 3'000'000'000);
    i.binary = true;
    i.digits = 32;
    EXPECT_EQ(i.to_unix_ns(uint64_t{7} << 32 | 1u << 31), 7'500'000'000);
    i.digits = 127;
    EXPECT_EQ(i.to_unix_ns(UINT64_MAX), 0);
    i.offset = INT64_MAX;
    i.to_unix_ns(UINT64_MAX);
}

TEST(PcapngReader, StartsAfreshWithEachSection) {
    const Outcome o = read_all(section(little) + interface(little, 1) + packet(little, 0, 1, "a") + section(big) +
                               interface(big, 101) + packet(big, 0, 2, "b"));
    ASSERT_EQ(o.packets.size(), 2u);
    EXPECT_EQ(o.packets[1].link, 101);
    EXPECT_EQ(o.packets[1].interface, 1u);
    EXPECT_EQ(o.packets[1].time, 2000);
}

TEST(PcapngReader, GivesComments) {
    const File file(section(little, option(little, 1, "made in a test")) + interface(little, 1) +
                    packet(little, 0, 1, "abcde",
                           option(little, 2, little.u32(1)) + option(little, 1, "look here") + option(little, 1, "") +
                               option(little, 1, "and here") + option(little, 1, "no more")) +
                    packet(little, 0, 1, "f"));
    auto r = Reader::open(file.path());
    ASSERT_TRUE(r);
    EXPECT_EQ((*r)->section_comment(), "made in a test");
    Captured c;
    ASSERT_TRUE((*r)->next(c));
    std::string_view found[2];
    ASSERT_EQ((*r)->comments(found), 2u) << "as many as there is room for";
    EXPECT_EQ(found[0], "look here");
    EXPECT_EQ(found[1], "and here");
    ASSERT_TRUE((*r)->next(c));
    EXPECT_EQ((*r)->comments(found), 0u);
}

TEST(PcapngReader, KeepsTheBeginningOfLongTexts) {
    const Order o;
    const std::string most(256, 'n'), more(60'000, 'n');
    // The last character that does not fit whole is left out.
    const std::string text = std::string(255, 'c') + "\xc3\xa9" + std::string(300, 'c');
    const File f(section(o, option(o, 1, more)) + interface(o, 1, option(o, 2, more) + option(o, 3, most) + option(o, 1, text)) +
                 packet(o, 0, 1, "x", option(o, 1, more)));
    auto r = Reader::open(f.path());
    ASSERT_TRUE(r);
    Captured c;
    ASSERT_TRUE((*r)->next(c));
    EXPECT_EQ((*r)->section_comment(), most);
    EXPECT_EQ(first_comment(**r), most);
    EXPECT_EQ((*r)->interfaces()[0].name, most);
    EXPECT_EQ((*r)->interfaces()[0].description, most);
    EXPECT_EQ((*r)->interfaces()[0].comment, std::string(255, 'c'));
}

TEST(PcapReader, RefusesAWindowThatAsksForTooMuchMemory) {
    const std::string plain = pcap_header({}) + pcap_record({}, 1, 0, std::string(1000, 'x'));
    for (const int window : {25, 27}) {
        const std::unique_ptr<ZSTD_CCtx, size_t (*)(ZSTD_CCtx*)> pack(ZSTD_createCCtx(), ZSTD_freeCCtx);
        ZSTD_CCtx_setParameter(pack.get(), ZSTD_c_windowLog, window);
        std::string packed(ZSTD_compressBound(plain.size()), '\0');
        // Without a size in its header a frame needs the whole window.
        ZSTD_CCtx_setParameter(pack.get(), ZSTD_c_contentSizeFlag, 0);
        ZSTD_inBuffer in{plain.data(), plain.size(), 0};
        ZSTD_outBuffer out{packed.data(), packed.size(), 0};
        ZSTD_inBuffer nothing{nullptr, 0, 0};
        ZSTD_compressStream2(pack.get(), &out, &in, ZSTD_e_continue);
        ASSERT_EQ(ZSTD_compressStream2(pack.get(), &out, &nothing, ZSTD_e_end), 0u);
        const File f(packed.substr(0, out.pos));
        const auto r = Reader::open(f.path());
        EXPECT_EQ(r.has_value(), window == 25) << window;
        if (!r) EXPECT_NE(r.error().what.find("zstd data are damaged"), std::string::npos) << r.error().what;
    }
}

TEST(PcapngReader, ReadsSimpleAndObsoletePacketsAndPassesOtherBlocks) {
    const std::string obsolete =
        block(little, 2,
              little.u16(0) + little.u16(9) + little.u32(0) + little.u32(77) + little.u32(3) + little.u32(3) + padded("old"));
    const Outcome o =
        read_all(section(little) + interface(little, 1, "", 4) + block(little, 4, std::string(40, 'n')) +
                 block(little, 0xbad, std::string(600'000, 'c')) + obsolete + block(little, 3, little.u32(6) + padded("abcd")));
    EXPECT_EQ(o.fault, "");
    ASSERT_EQ(o.packets.size(), 2u);
    EXPECT_EQ(o.packets[0].bytes, "old");
    EXPECT_EQ(o.packets[0].time, 77'000);
    EXPECT_EQ(o.packets[1].bytes, "abcd");
    EXPECT_EQ(o.packets[1].wire_length, 6u);
}

TEST(PcapngReader, SaysWhereABlockIsWrong) {
    const std::string good = section(little) + interface(little, 1) + packet(little, 0, 1, "a");
    const auto fault = [&](const std::string& bad) {
        const Outcome o = read_all(good + bad);
        EXPECT_EQ(o.packets.size(), 1u);
        EXPECT_EQ(o.offset, good.size());
        return o.fault;
    };
    EXPECT_NE(fault(packet(little, 5, 1, "a")).find("not described"), std::string::npos);
    EXPECT_NE(fault(packet(little, 0, 1, "a").substr(0, 20)).find("cut short"), std::string::npos);
    EXPECT_NE(fault(block(little, 0xbad, std::string(90, 'c')).substr(0, 50)).find("cut short"), std::string::npos);
    EXPECT_NE(fault(little.u32(6) + little.u32(8) + little.u32(8)).find("cannot be"), std::string::npos);
    std::string lengths = packet(little, 0, 1, "a");
    lengths[lengths.size() - 4] = 99;
    EXPECT_NE(fault(lengths).find("differ"), std::string::npos);
    std::string captured = packet(little, 0, 1, "a");
    captured[20] = 99;
    EXPECT_NE(fault(captured).find("a packet of 99 bytes"), std::string::npos);
    EXPECT_NE(fault(little.u32(6) + little.u32(0x40000000) + std::string(100, 'x')).find("longer than any"), std::string::npos);
}

TEST(PcapReader, ShowsPacketsOfAPipeAsTheyCome) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const int saved = ::dup(STDIN_FILENO);
    ::dup2(ends[0], STDIN_FILENO);
    const auto write = [&](const std::string& s) {
        EXPECT_EQ(::write(ends[1], s.data(), s.size()), static_cast<ssize_t>(s.size()));
    };
    write(pcap_header(little) + pcap_record(little, 1, 2, "abc"));
    auto r = Reader::open("-");
    ASSERT_TRUE(r);
    Captured c;
    ASSERT_TRUE((*r)->next(c)) << "before anything follows";
    write(pcap_record(little, 1, 2, "defg"));
    ASSERT_TRUE((*r)->next(c));
    EXPECT_EQ(c.bytes.size(), 4u);
    ::close(ends[1]);
    EXPECT_FALSE((*r)->next(c));
    EXPECT_FALSE((*r)->fault());
    EXPECT_EQ((*r)->bytes_total(), 0u);
    ::dup2(saved, STDIN_FILENO);
    ::close(saved);
    ::close(ends[0]);
}

}  // namespace
}  // namespace cvf::pcapng::test
