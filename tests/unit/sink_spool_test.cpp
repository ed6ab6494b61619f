// The spool keeps batches in order, through restarts, damage and full disks.
#include "sink/spool.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
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

    uint64_t expect_next(Spool& spool, uint64_t n) {
        BatchHead read;
        record::Buffer bytes;
        const auto entry = spool.read(read, bytes);
        EXPECT_TRUE(entry) << n << " " << spool.stats().last_error;
        EXPECT_EQ(read.first_sequence, n);
        EXPECT_EQ(bytes.view(), text(n));
        return entry.value_or(0);
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

// A limit of this process, for as long as it lives.
class Limit {
 public:
    Limit(int resource, rlim_t value) : resource_(resource) {
        getrlimit(static_cast<__rlimit_resource>(resource_), &before_);
        const rlimit now{value, before_.rlim_max};
        setrlimit(static_cast<__rlimit_resource>(resource_), &now);
    }
    ~Limit() { setrlimit(static_cast<__rlimit_resource>(resource_), &before_); }

 private:
    int resource_;
    rlimit before_{};
};

size_t open_files() {
    size_t n = 0;
    for ([[maybe_unused]] const auto& e : std::filesystem::directory_iterator("/proc/self/fd")) n++;
    return n - 1;  // the listing's own
}

TEST_F(SpoolTest, gives_back_in_order_and_removes_what_is_done_with) {
    auto spool = open(1u << 20, 1000);
    for (uint64_t n = 1; n <= 50; n++) ASSERT_TRUE(spool->append(head(n), text(n), 1));
    EXPECT_GT(segments().size(), 5u);
    EXPECT_EQ(spool->stats().records, 50u * 51 / 2);
    for (uint64_t n = 1; n <= 50; n++) spool->done(expect_next(*spool, n));
    BatchHead none;
    record::Buffer bytes;
    EXPECT_FALSE(spool->read(none, bytes));
    EXPECT_EQ(spool->stats().records, 0u);
    EXPECT_EQ(spool->stats().bytes, 0u);
    EXPECT_TRUE(segments().empty());
    ASSERT_TRUE(spool->append(head(3), text(3), 1));
    expect_next(*spool, 3);
}

TEST_F(SpoolTest, an_entry_read_but_not_done_with_comes_again_after_a_restart) {
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

TEST_F(SpoolTest, entries_are_done_with_in_any_order_and_what_is_not_comes_again) {
    {
        auto spool = open(1u << 20, 1000);
        std::vector<uint64_t> entries;
        for (uint64_t n = 1; n <= 30; n++) ASSERT_TRUE(spool->append(head(n), text(n), 1));
        for (uint64_t n = 1; n <= 30; n++) entries.push_back(expect_next(*spool, n));
        for (uint64_t n = 30; n >= 2; n--) {
            spool->done(entries[n - 1]);
            spool->done(entries[n - 1]);
        }
        EXPECT_EQ(spool->stats().entries, 1u);
        EXPECT_EQ(spool->stats().records, 1u);
    }
    auto spool = open(1u << 20, 1000);
    const uint64_t first = expect_next(*spool, 1);
    spool->done(first);
}

TEST_F(SpoolTest, a_full_disk_costs_what_came_then_and_nothing_else) {
    signal(SIGXFSZ, SIG_IGN);
    auto spool = open(1u << 20, 1u << 16);
    uint64_t kept = 0;
    {
        const Limit full(RLIMIT_FSIZE, 3000);
        while (spool->append(head(kept + 1), text(kept + 1), 1)) kept++;
        EXPECT_GT(kept, 5u);
        EXPECT_FALSE(spool->append(head(kept + 1), text(kept + 1), 1));
        EXPECT_NE(spool->stats().last_error, "");
        EXPECT_EQ(spool->stats().entries, kept);
        EXPECT_EQ(std::filesystem::file_size(segments().at(0)), spool->stats().bytes);
    }
    ASSERT_TRUE(spool->append(head(kept + 1), text(kept + 1), 1));
    EXPECT_EQ(spool->stats().last_error, "");
    for (uint64_t n = 1; n <= kept + 1; n++) expect_next(*spool, n);
    EXPECT_EQ(spool->stats().damaged_bytes, 0u);
}

TEST_F(SpoolTest, a_long_outage_leaves_few_files_open) {
    const size_t before = open_files();
    auto spool = open(64u << 20, 1000);
    for (uint64_t n = 1; n <= 100; n++) ASSERT_TRUE(spool->append(head(n), text(n), 1));
    EXPECT_GT(segments().size(), 30u);
    EXPECT_LE(open_files(), before + 3);  // the lock, written to, read from
    for (uint64_t n = 1; n <= 60; n++) expect_next(*spool, n);
    EXPECT_LE(open_files(), before + 3);
    for (uint64_t n = 101; n <= 110; n++) ASSERT_TRUE(spool->append(head(n), text(n), 1));
    for (uint64_t n = 61; n <= 110; n++) expect_next(*spool, n);
    EXPECT_LE(open_files(), before + 3);
}

TEST_F(SpoolTest, what_cannot_be_opened_now_is_no_damage) {
    auto spool = open(64u << 20, 1000);
    for (uint64_t n = 1; n <= 30; n++) ASSERT_TRUE(spool->append(head(n), text(n), 1));
    uint64_t next = 1;
    {
        const Limit none(RLIMIT_NOFILE, 3);
        BatchHead read;
        record::Buffer bytes;
        while (spool->read(read, bytes)) EXPECT_EQ(read.first_sequence, next++);
        EXPECT_LT(next, 30u);
        EXPECT_NE(spool->stats().last_error, "");
        EXPECT_EQ(spool->stats().damaged_bytes, 0u);
    }
    for (; next <= 30; next++) expect_next(*spool, next);
    EXPECT_EQ(spool->stats().last_error, "");
}

TEST_F(SpoolTest, a_segment_that_cannot_be_looked_at_is_left_alone) {
    {
        auto spool = open();
        ASSERT_TRUE(spool->append(head(1), text(1), 1));
    }
    const std::string strange = directory_ + "/000000000007.spool";
    std::filesystem::create_directory(strange);
    auto spool = open();
    EXPECT_EQ(spool->stats().skipped_segments, 1u);
    EXPECT_NE(spool->stats().last_error.find(strange), std::string::npos) << spool->stats().last_error;
    expect_next(*spool, 1);
    ASSERT_TRUE(spool->append(head(2), text(2), 1));
    expect_next(*spool, 2);
    EXPECT_TRUE(std::filesystem::exists(strange));
}

TEST_F(SpoolTest, a_second_process_is_refused_with_the_way_out) {
    auto spool = open();
    const auto second = Spool::open({directory_});
    ASSERT_FALSE(second);
    EXPECT_NE(second.error().find("--spool-directory"), std::string::npos);
}

}  // namespace
}  // namespace cvf::sink
