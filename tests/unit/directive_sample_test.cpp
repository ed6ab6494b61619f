// Samples are even, whole, and the same on every node.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <random>
#include <set>

#include "directive/sample.h"

namespace {

using namespace cvf;
using namespace cvf::directive;
using record::Field;

constexpr int64_t second = 1'000'000'000;

using Address = std::array<uint8_t, 4>;

struct Ends {
    Address source, destination;
    uint16_t source_port, destination_port;
};

Ends ends(uint32_t i) {
    // Clients count their ports up: the hash must scatter what hardly differs.
    return {{10, 0, static_cast<uint8_t>(i >> 24), static_cast<uint8_t>(i >> 16)},
            {10, 1, 0, 1},
            static_cast<uint16_t>(1024 + (i & 0x7fff)),
            static_cast<uint16_t>(443 + (i >> 15 & 1))};
}

void make(record::Record& r, const Ends& e, record::RecordType type = record::RecordType::flow) {
    r.begin(type, 1);
    r.ip(Field::source_address, e.source);
    r.uint(Field::source_port, e.source_port);
    r.ip(Field::destination_address, e.destination);
    r.uint(Field::destination_port, e.destination_port);
    r.text(Field::network_transport, "tcp");
}

TEST(DirectiveSample, one_in_n_is_about_that_many) {
    record::Record r;
    for (const uint32_t n : {2u, 3u, 10u, 100u}) {
        constexpr uint32_t total = 65'536;
        uint32_t taken = 0;
        for (uint32_t i = 0; i < total; ++i) {
            make(r, ends(i));
            taken += in_sample(r, n);
        }
        const double wanted = static_cast<double>(total) / n, deviation = std::sqrt(wanted * (1 - 1.0 / n));
        EXPECT_NEAR(taken, wanted, 4 * deviation) << n;
    }
}

TEST(DirectiveSample, every_record_of_a_conversation_fares_alike_from_either_side) {
    record::Record r;
    for (uint32_t i = 0; i < 2'000; ++i) {
        const Ends e = ends(i);
        make(r, e);
        const auto hash = conversation_hash(r);
        make(r, e, record::RecordType::http);
        r.text(Field::http_request_method, "GET");
        EXPECT_EQ(conversation_hash(r), hash);
        make(r, {e.destination, e.source, e.destination_port, e.source_port});
        EXPECT_EQ(conversation_hash(r), hash);
    }
}

TEST(DirectiveSample, both_sides_of_an_address_translation_agree) {
    // The client calls a service's virtual address; the pod that answers sees its own.
    record::Record client, server;
    const Address pod{10, 1, 2, 3}, other_pod{10, 1, 2, 4};
    make(client, {{10, 0, 0, 7}, {10, 96, 0, 10}, 40'000, 80});
    client.ip(Field::destination_nat_ip, pod);
    client.uint(Field::destination_nat_port, 8080);
    make(server, {{10, 0, 0, 7}, pod, 40'000, 8080});
    EXPECT_EQ(conversation_hash(client), conversation_hash(server));
    make(server, {{10, 0, 0, 7}, other_pod, 40'000, 8080});
    EXPECT_NE(conversation_hash(client), conversation_hash(server));
}

TEST(DirectiveSample, addresses_of_an_attached_set_count) {
    record::Record r, plain;
    make(plain, ends(5));
    record::FieldSet set;
    set.ip(Field::source_nat_ip, Address{1, 2, 3, 4});
    make(r, ends(5));
    r.attach(&set);
    EXPECT_NE(conversation_hash(r), conversation_hash(plain));
}

TEST(DirectiveSample, ports_addresses_families_and_transport_tell_conversations_apart) {
    record::Record r;
    std::set<uint64_t> hashes;
    for (uint32_t i = 0; i < 65'536; ++i) {
        make(r, ends(i));
        hashes.insert(*conversation_hash(r));
    }
    EXPECT_EQ(hashes.size(), 65'536u);
    make(r, ends(0));
    const uint64_t tcp = *conversation_hash(r);
    r.begin(record::RecordType::flow, 1);
    const Ends e = ends(0);
    r.ip(Field::source_address, e.source);
    r.uint(Field::source_port, e.source_port);
    r.ip(Field::destination_address, e.destination);
    r.uint(Field::destination_port, e.destination_port);
    r.text(Field::network_transport, "udp");
    EXPECT_NE(conversation_hash(r), tcp);
}

TEST(DirectiveSample, the_hash_is_part_of_the_fabric_and_does_not_change) {
    record::Record r;
    make(r, {{192, 0, 2, 1}, {198, 51, 100, 2}, 49'152, 443});
    EXPECT_EQ(conversation_hash(r), 10'818'807'636'435'094'917u);
}

TEST(DirectiveSample, a_smaller_sample_is_part_of_a_larger_one) {
    std::mt19937_64 random(3);
    for (int i = 0; i < 100'000; ++i) {
        const uint64_t hash = random();
        if (in_sample(hash, 100)) {
            EXPECT_TRUE(in_sample(hash, 10));
        }
        EXPECT_TRUE(in_sample(hash, 1));
    }
    EXPECT_TRUE(in_sample(uint64_t{0}, 1'000'000));
    EXPECT_FALSE(in_sample(UINT64_MAX, 2));
}

TEST(DirectiveSample, what_is_no_conversation_is_in_every_sample) {
    record::Record r;
    r.begin(record::RecordType::health, 1);
    EXPECT_FALSE(conversation_hash(r));
    EXPECT_TRUE(in_sample(r, 1'000'000));
    r.begin(record::RecordType::arp, 1);
    r.ip(Field::source_address, Address{10, 0, 0, 1});
    r.ip(Field::destination_address, Address{10, 0, 0, 2});
    EXPECT_TRUE(in_sample(r, 1'000'000));
}

// `rate` records a second of 1,000 conversations for `seconds`; how many are taken in the last of them.
uint64_t last_second(RateSampler& sampler, int64_t begin, uint64_t rate, int seconds,
                     std::set<uint64_t>* conversations = nullptr) {
    std::mt19937_64 random(5);
    std::vector<uint64_t> hashes(1'000);
    for (uint64_t& h : hashes) h = random();
    uint64_t taken = 0;
    for (int s = 0; s < seconds; ++s) {
        taken = 0;
        for (uint64_t i = 0; i < rate; ++i) {
            const uint64_t hash = hashes[i % hashes.size()];
            if (!sampler.take(hash, begin + s * second + static_cast<int64_t>(i * 1'000'000'000 / rate))) continue;
            ++taken;
            if (conversations && s + 1 == seconds) conversations->insert(hash);
        }
    }
    return taken;
}

TEST(DirectiveSample, a_rate_takes_all_while_there_is_little) {
    RateSampler sampler(1'000);
    EXPECT_EQ(last_second(sampler, second, 500, 10), 500u);
    EXPECT_EQ(sampler.threshold(), UINT64_MAX);
}

TEST(DirectiveSample, a_rate_is_kept_by_fewer_whole_conversations) {
    RateSampler sampler(1'000);
    std::set<uint64_t> conversations;
    const uint64_t taken = last_second(sampler, second, 20'000, 40, &conversations);
    EXPECT_GT(taken, 700u);
    EXPECT_LE(taken, 1'100u);
    // A twentieth of them, each with all of its 20 records but where the share changed.
    EXPECT_LT(conversations.size(), 80u);
    // Back to all when it is quiet again.
    EXPECT_EQ(last_second(sampler, 100 * second, 500, 60), 500u);
}

TEST(DirectiveSample, a_burst_is_cut_at_once) {
    RateSampler sampler(100);
    std::mt19937_64 random(9);
    uint64_t taken = 0;
    for (int i = 0; i < 100'000; ++i) taken += sampler.take(random(), second + i);  // all within 0.1 ms
    EXPECT_GE(taken, 100u);
    EXPECT_LE(taken, 201u);
}

TEST(DirectiveSample, a_clock_that_steps_back_stops_nothing) {
    RateSampler sampler(10);
    EXPECT_TRUE(sampler.take(uint64_t{1}, 100 * second));
    EXPECT_TRUE(sampler.take(uint64_t{1}, 50 * second));
    EXPECT_TRUE(sampler.take(uint64_t{1}, 52 * second));
}

}  // namespace
