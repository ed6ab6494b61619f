// The spool keeps batches in order, through restarts, damage and full disks.
#include "sink/spool.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace cvf::sink {
namespace {

class SpoolTest : public testing::Test {
 protected:
    void SetUp() override {
        char name[] = "/tmp/cvf-spool-XXXXXX";
        ASSERT_NE(mkdtemp(name), nullptr);
        directory_ = name;
    }
    void TearDown() override { std::filesystem::remove_all(directory_); }

    std::unique_ptr<Spool> open(uint64_t limit = 1u << 20, uint64_t segment = 1u << 16) {
        auto spool = Spool::open({directory_, limit, segment});
        EXPECT_TRUE(spool) << spool.error();
        return spool ? std::move(*spool) : nullptr;
    }
    static BatchHead head(uint64_t n) { return {7, n, static_cast<uint32_t>(n), 1, 0}; }
    static std::string text(uint64_t n) { return "batch " + std::to_string(n) + std::string(n * 10, 'x'); }

    void expect_next(Spool& spool, uint64_t n) {
        BatchHead read;
        record::Buffer bytes;
        ASSERT_TRUE(spool.read(read, bytes)) << n;
        EXPECT_EQ(read.first_sequence, n);
        EXPECT_EQ(bytes.view(), text(n));
    }
    std::vector<std::filesystem::path> segments() {
        std::vector<std::filesystem::path> out;
        for (const auto& e : std::filesystem::directory_iterator(directory_))
            if (e.path().extension() == ".spool") out.push_back(e.path());
        std::ranges::sort(out);
        return out;
    }

    std::string directory_;
};

TEST_F(SpoolTest, gives_back_in_order_and_removes_what_has_been_popped) {
    auto spool = open(1u << 20, 1000);
    for (uint64_t n = 1; n <= 50; n++) ASSERT_TRUE(spool->append(head(n), text(n), 1));
    EXPECT_GT(segments().size(), 5u);
    EXPECT_EQ(spool->stats().records, 50u * 51 / 2);
    for (uint64_t n = 1; n <= 50; n++) {
        expect_next(*spool, n);
        spool->pop();
    }
    BatchHead none;
    record::Buffer bytes;
    EXPECT_FALSE(spool->read(none, bytes));
    EXPECT_EQ(spool->stats().records, 0u);
    EXPECT_EQ(spool->stats().bytes, 0u);
    EXPECT_TRUE(segments().empty());
    ASSERT_TRUE(spool->append(head(3), text(3), 1));
    expect_next(*spool, 3);
}

TEST_F(SpoolTest, an_entry_read_but_not_popped_comes_again_after_a_restart) {
    {
        auto spool = open();
        for (uint64_t n = 1; n <= 3; n++) ASSERT_TRUE(spool->append(head(n), text(n), 1));
        expect_next(*spool, 1);
    }
    auto spool = open();
    EXPECT_EQ(spool->stats().entries, 3u);
    for (uint64_t n = 1; n <= 3; n++) expect_next(*spool, n);
}

TEST_F(SpoolTest, a_torn_tail_is_cut_off_and_counted) {
    {
        auto spool = open();
        for (uint64_t n = 1; n <= 3; n++) ASSERT_TRUE(spool->append(head(n), text(n), 1));
    }
    const auto file = segments().at(0);
    std::filesystem::resize_file(file, std::filesystem::file_size(file) - 5);
    auto spool = open();
    EXPECT_EQ(spool->stats().entries, 2u);
    EXPECT_GT(spool->stats().damaged_bytes, 0u);
    expect_next(*spool, 1);
    expect_next(*spool, 2);
    ASSERT_TRUE(spool->append(head(4), text(4), 1));
    expect_next(*spool, 4);
}

TEST_F(SpoolTest, a_damaged_entry_costs_the_rest_of_its_segment_and_no_more) {
    auto spool = open(1u << 20, 1000);
    for (uint64_t n = 1; n <= 20; n++) ASSERT_TRUE(spool->append(head(n), text(n), 1));
    const auto file = segments().at(0);
    const int fd = ::open(file.c_str(), O_RDWR);
    ASSERT_EQ(pwrite(fd, "?", 1, 40 + 3), 1);  // inside the first batch's bytes
    close(fd);
    BatchHead read;
    record::Buffer bytes;
    ASSERT_TRUE(spool->read(read, bytes));
    const uint64_t first = read.first_sequence;
    EXPECT_GT(first, 1u);
    EXPECT_EQ(spool->stats().damaged_records, (first - 1) * first / 2);
    uint64_t records = read.records;
    while (spool->read(read, bytes)) records += read.records;
    EXPECT_EQ(records + spool->stats().damaged_records, 20u * 21 / 2);
}

TEST_F(SpoolTest, the_limit_holds_and_a_share_of_it_is_kept_for_what_matters) {
    auto spool = open(4096, 1024);
    uint64_t kept = 0;
    while (spool->append(head(10), text(10), 0.5)) kept++;
    EXPECT_LE(spool->stats().bytes, 2048u);
    EXPECT_GT(kept, 5u);
    uint64_t more = 0;
    while (spool->append(head(10), text(10), 1)) more++;
    EXPECT_GT(more, 5u);
    EXPECT_LE(spool->stats().bytes, 4096u);
}

TEST_F(SpoolTest, a_second_process_is_refused_with_the_way_out) {
    auto spool = open();
    const auto second = Spool::open({directory_});
    ASSERT_FALSE(second);
    EXPECT_NE(second.error().find("--spool-directory"), std::string::npos);
}

}  // namespace
}  // namespace cvf::sink
