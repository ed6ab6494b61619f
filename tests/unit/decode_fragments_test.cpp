#include "decode/fragments.h"

#include <gtest/gtest.h>

#include <vector>

#include "decode_frames.h"

namespace cvf::decode::test {
namespace {

constexpr unsigned more = 0x2000;

std::string numbered(size_t n) {
    std::string s(n, '\0');
    for (size_t i = 0; i < n; ++i) s[i] = static_cast<char>('a' + i % 26);
    return s;
}

// One fragment of `datagram`, bytes [from, to).
std::string piece4(const std::string& datagram, size_t from, size_t to, unsigned id = 1) {
    const unsigned field = static_cast<unsigned>(from / 8) | (to < datagram.size() ? more : 0);
    return eth(ipv4(17, datagram.substr(from, to - from), {.id = id, .fragment = field}));
}
std::string piece6(const std::string& datagram, size_t from, size_t to) {
    const unsigned field = static_cast<unsigned>(from) | (to < datagram.size() ? 1 : 0);
    // A hop-by-hop header stands before, so that the header that names the fragment header is not the fixed one.
    return eth(
        ipv6(0, octets({44, 0, 1, 4, 0, 0, 0, 0}) + octets({17, 0}) + be16(field) + be32(99) + datagram.substr(from, to - from)),
        0x86dd);
}

// Given out by a table; the payload is copied, for the table keeps its own only until the next call.
const Packet* give(FragmentTable& table, const std::string& frame, int64_t time = 0) {
    Decoded d(frame);
    d.packet.time = time;
    EXPECT_TRUE(d->is_fragment);
    return table.add(d.packet);
}

TEST(Fragments, PutsIpv4TogetherInAnyOrder) {
    const std::string datagram = udp(5, 6, numbered(100));
    const std::vector<std::vector<std::pair<size_t, size_t>>> orders = {
        {{0, 40}, {40, 80}, {80, 108}}, {{80, 108}, {40, 80}, {0, 40}}, {{40, 80}, {0, 40}, {80, 108}}};
    for (const auto& order : orders) {
        FragmentTable table;
        EXPECT_EQ(give(table, piece4(datagram, order[0].first, order[0].second)), nullptr);
        EXPECT_EQ(give(table, piece4(datagram, order[1].first, order[1].second)), nullptr);
        const Packet* whole = give(table, piece4(datagram, order[2].first, order[2].second), 7);
        ASSERT_NE(whole, nullptr);
        EXPECT_TRUE(whole->has_transport);
        EXPECT_FALSE(whole->is_fragment);
        EXPECT_EQ(whole->destination_port, 6);
        EXPECT_EQ(as_text(whole->payload), numbered(100));
        EXPECT_EQ(whole->fragment_count, 3);
        EXPECT_EQ(whole->ip_length, 128u);
        EXPECT_EQ(whole->wire_length, 3 * 34 + 108u);
        EXPECT_EQ(whole->time, 7);
        EXPECT_TRUE(whole->has_mac);
        EXPECT_EQ(whole->faults, 0);
        EXPECT_EQ(table.datagrams(), 0u);
        EXPECT_EQ(table.bytes(), 0u);
        EXPECT_EQ(table.stats().reassembled, 1u);
    }
}

TEST(Fragments, PutsIpv6TogetherWithHeadersBefore) {
    const std::string datagram = udp(5, 6, numbered(60));
    FragmentTable table;
    EXPECT_EQ(give(table, piece6(datagram, 32, 68)), nullptr);
    const Packet* whole = give(table, piece6(datagram, 0, 32));
    ASSERT_NE(whole, nullptr);
    EXPECT_EQ(whole->ip_protocol, 17);
    EXPECT_EQ(whole->network, Network::ipv6);
    EXPECT_EQ(as_text(whole->payload), numbered(60));
    EXPECT_EQ(whole->faults, 0);
}

TEST(Fragments, GivesUpADatagramWhoseFragmentsOverlap) {
    const std::string datagram = udp(5, 6, numbered(56)), other = std::string(64, 'X');
    for (const auto& piece :
         {piece4, +[](const std::string& d, size_t from, size_t to, unsigned) { return piece6(d, from, to); }}) {
        FragmentTable table;
        give(table, piece(datagram, 0, 32, 1));
        EXPECT_EQ(give(table, piece(other, 16, 48, 1)), nullptr);
        EXPECT_EQ(table.stats().overlaps, 1u);
        EXPECT_EQ(table.datagrams(), 0u);
        EXPECT_EQ(table.bytes(), 0u);
        EXPECT_EQ(give(table, piece(datagram, 32, 64, 1)), nullptr);
        // Sent again, it is whole.
        EXPECT_NE(give(table, piece(datagram, 0, 32, 1)), nullptr);
    }
}

TEST(Fragments, KeepsTheFirstOfDifferentBytesInIpv4AndNeitherInIpv6) {
    const std::string datagram = udp(5, 6, numbered(56)), other = std::string(64, 'X');
    FragmentTable table;
    give(table, piece4(datagram, 0, 32));
    give(table, piece4(other, 8, 24));
    EXPECT_EQ(table.stats().overlaps, 1u);
    const Packet* whole = give(table, piece4(datagram, 32, 64));
    ASSERT_NE(whole, nullptr);
    EXPECT_EQ(as_text(whole->payload), numbered(56));

    give(table, piece6(datagram, 0, 32));
    EXPECT_EQ(give(table, piece6(other, 8, 24)), nullptr);
    EXPECT_EQ(table.stats().overlaps, 2u);
    EXPECT_EQ(table.datagrams(), 0u);
}

TEST(Fragments, NeverHandsOnBytesThatWereNotCaptured) {
    const std::string datagram = udp(5, 6, numbered(192));
    FragmentTable table;
    give(table, piece4(datagram, 104, 200));
    const std::string cut = piece4(datagram.substr(0, 200) + "more", 0, 200);
    Decoded d(cut.substr(0, 34 + 40), LinkType::ethernet, static_cast<uint32_t>(cut.size()));
    EXPECT_EQ(table.add(d.packet), nullptr);

    // A repetition that was cut takes nothing away; one of what was cut is compared as far as it goes.
    give(table, piece4(datagram, 104, 200, 2));
    const std::string first = piece4(datagram, 0, 104, 2);
    Decoded half(first.substr(0, 34 + 40), LinkType::ethernet, static_cast<uint32_t>(first.size()));
    const std::string again = piece4(datagram, 104, 200, 2);
    Decoded repeated(again.substr(0, 34 + 16), LinkType::ethernet, static_cast<uint32_t>(again.size()));
    EXPECT_EQ(table.add(repeated.packet), nullptr);
    const uint64_t overlaps = table.stats().overlaps;
    const Packet* whole = table.add(half.packet);
    ASSERT_NE(whole, nullptr);
    EXPECT_EQ(as_text(whole->payload), numbered(32));
    EXPECT_EQ(whole->payload_length, 192u);
    EXPECT_EQ(table.stats().overlaps, overlaps);
}

TEST(Fragments, TakesARepetitionForNoOverlap) {
    const std::string datagram = udp(5, 6, numbered(56));
    FragmentTable table;
    give(table, piece4(datagram, 0, 32));
    give(table, piece4(datagram, 0, 32));
    EXPECT_EQ(table.stats().overlaps, 0u);
    EXPECT_NE(give(table, piece4(datagram, 32, 64)), nullptr);
}

TEST(Fragments, KeepsDatagramsApartByTheirId) {
    const std::string datagram = udp(5, 6, numbered(56));
    FragmentTable table;
    give(table, piece4(datagram, 0, 32, 1));
    EXPECT_EQ(give(table, piece4(datagram, 32, 64, 2)), nullptr);
    EXPECT_EQ(table.datagrams(), 2u);
}

TEST(Fragments, GivesUpAfterThirtySeconds) {
    const std::string datagram = udp(5, 6, numbered(56));
    FragmentTable table;
    give(table, piece4(datagram, 0, 32), 0);
    EXPECT_EQ(give(table, piece4(datagram, 32, 64), 31'000'000'000), nullptr);
    EXPECT_EQ(table.stats().timed_out, 1u);
    table.expire(70'000'000'000);
    EXPECT_EQ(table.datagrams(), 0u);
}

TEST(Fragments, GivesUpTheOldestWhenThereAreTooMany) {
    const std::string datagram = udp(5, 6, numbered(56));
    FragmentTable table({.datagrams = 3});
    for (unsigned id = 0; id < 10; ++id) give(table, piece4(datagram, 0, 32, id));
    EXPECT_EQ(table.datagrams(), 3u);
    EXPECT_EQ(table.stats().evicted, 7u);
    EXPECT_NE(give(table, piece4(datagram, 32, 64, 9)), nullptr);
}

TEST(Fragments, CountsEachDatagramThatIsNeverWhole) {
    const std::string datagram = udp(5, 6, numbered(56));
    FragmentTable table;
    give(table, piece4(datagram, 0, 32, 1));
    give(table, piece4(datagram, 0, 32, 2));
    give(table, piece4(datagram, 16, 48, 2));  // overlaps
    EXPECT_EQ(table.stats().lost(), 1u);
    give(table, piece4(datagram, 0, 32, 3));
    give(table, piece4(datagram, 32, 64, 3));
    table.finish();
    EXPECT_EQ(table.stats().unfinished, 1u);
    EXPECT_EQ(table.stats().lost(), 2u);
    EXPECT_EQ(table.datagrams(), 0u);
    EXPECT_EQ(table.bytes(), 0u);
}

TEST(Fragments, StaysWithinItsBytes) {
    const std::string datagram = udp(5, 6, numbered(60000));
    FragmentTable table({.datagrams = 1000, .bytes = 200'000});
    for (unsigned id = 0; id < 50; ++id) {
        give(table, piece4(datagram, 59200, 60000, id));
        EXPECT_LE(table.bytes(), 200'000u);
    }
    EXPECT_GT(table.stats().evicted, 40u);
}

TEST(Fragments, RefusesWhatCannotBe) {
    const std::string datagram = udp(5, 6, numbered(56));
    FragmentTable table;
    EXPECT_EQ(give(table, eth(ipv4(17, numbered(13), {.id = 1, .fragment = more}))), nullptr);    // not a multiple of 8
    EXPECT_EQ(give(table, eth(ipv4(17, numbered(64), {.id = 1, .fragment = 0x1fff}))), nullptr);  // beyond 64 KiB
    EXPECT_EQ(table.stats().invalid, 2u);
    give(table, piece4(datagram, 32, 64));
    EXPECT_EQ(give(table, piece4(datagram + numbered(64), 64, 128)), nullptr);  // another end
    EXPECT_EQ(table.stats().invalid, 3u);
}

TEST(Fragments, LeavesADatagramReadableUpToWhereAFragmentWasCut) {
    const std::string datagram = udp(5, 6, numbered(120));
    FragmentTable table;
    const std::string cut = piece4(datagram, 64, 128);
    give(table, piece4(datagram, 0, 64));
    Decoded d(cut.substr(0, cut.size() - 40), LinkType::ethernet, static_cast<uint32_t>(cut.size()));
    const Packet* whole = table.add(d.packet);
    ASSERT_NE(whole, nullptr);
    EXPECT_EQ(as_text(whole->payload), numbered(80));
    EXPECT_EQ(whole->payload_length, 120u);
    EXPECT_EQ(whole->faults, fault_truncated);
}

TEST(Fragments, ReadsTunnelsOnceTheyAreWhole) {
    const std::string inside = ipv4(17, udp(7, 8, numbered(80)), {.source = 11});
    const std::string datagram = udp(5, 4789, octets({8, 0, 0, 0, 0, 0, 1, 0}) + eth(inside));
    FragmentTable table;
    EXPECT_EQ(give(table, piece4(datagram, 0, 64)), nullptr);
    const Packet* whole = give(table, piece4(datagram, 64, datagram.size()));
    ASSERT_NE(whole, nullptr);
    EXPECT_EQ(whole->tunnel_count, 1);
    EXPECT_EQ(whole->source_port, 7);
    EXPECT_EQ(as_text(whole->payload), numbered(80));
    EXPECT_EQ(whole->fragment_count, 2);
}

TEST(Fragments, PutsFragmentsTogetherThatTravelInFragments) {
    const std::string datagram = udp(7, 8, numbered(120));
    const auto inner = [&](size_t from, size_t to) { return piece4(datagram, from, to, 5).substr(14); };
    FragmentTable table;
    // The first inner fragment comes whole in its tunnel, the second in two outer fragments.
    EXPECT_EQ(give(table, eth(ipv4(4, inner(0, 64)))), nullptr);
    const std::string second = inner(64, 128);
    EXPECT_EQ(give(table, eth(ipv4(4, second.substr(0, 48), {.id = 9, .fragment = more}))), nullptr);
    const Packet* whole = give(table, eth(ipv4(4, second.substr(48), {.id = 9, .fragment = 6})));
    ASSERT_NE(whole, nullptr);
    EXPECT_EQ(as_text(whole->payload), numbered(120));
    EXPECT_EQ(whole->tunnel_count, 1);
}

}  // namespace
}  // namespace cvf::decode::test
