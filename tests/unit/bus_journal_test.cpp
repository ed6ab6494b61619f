// The local bus's documents on disk.
#include "bus/local_journal.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <vector>

#include "bus/local_exchange.h"
#include "bus/subjects.h"

namespace cvf::bus {
namespace {

class JournalTest : public testing::Test {
 protected:
    void SetUp() override {
        char name[] = "/tmp/cvf-journal-XXXXXX";
        ASSERT_NE(mkdtemp(name), nullptr);
        directory_ = name;
    }
    void TearDown() override { std::filesystem::remove_all(directory_); }

    using Documents = std::vector<std::tuple<std::string, std::string, uint64_t>>;
    Documents load(LocalJournal& journal, size_t most = 100) {
        Documents all;
        auto loaded = journal.load("b", most, [&](std::string_view key, std::string_view value, uint64_t revision) {
            all.emplace_back(key, value, revision);
        });
        EXPECT_TRUE(loaded) << loaded.error();
        return all;
    }
    static void put(LocalJournal& journal, std::string_view key, std::string_view value, uint64_t revision) {
        journal.note("b", key, revision, &value);
    }
    std::string directory_;
};

TEST_F(JournalTest, what_was_put_last_is_there_again_and_what_was_removed_is_not) {
    {
        LocalJournal journal(directory_);
        EXPECT_TRUE(load(journal).empty());
        put(journal, "a", "1", 1);
        put(journal, "b", "two\nlines 9 9 9\n", 2);
        put(journal, "a", "", 3);
        put(journal, "c", "x", 4);
        journal.note("b", "c", 5, nullptr);
        std::string_view other = "not kept";
        journal.note("nodes", "n", 1, &other);
    }
    LocalJournal journal(directory_);
    EXPECT_EQ(load(journal), (Documents{{"b", "two\nlines 9 9 9\n", 2}, {"a", "", 3}}));
    EXPECT_FALSE(std::filesystem::exists(directory_ + "/nodes"));
}

TEST_F(JournalTest, what_a_crash_left_half_written_is_cut_off) {
    {
        LocalJournal journal(directory_);
        load(journal);
        put(journal, "a", "1", 1);
        put(journal, "b", "2", 2);
    }
    const std::string path = directory_ + "/b";
    const auto whole = std::filesystem::file_size(path);
    for (uintmax_t cut = 1; cut <= whole / 2; cut++) {
        std::filesystem::resize_file(path, whole - cut);
        {
            LocalJournal journal(directory_);
            EXPECT_EQ(load(journal), (Documents{{"a", "1", 1}})) << cut;
            put(journal, "b", "2", 2);
        }
        ASSERT_EQ(std::filesystem::file_size(path), whole);
    }
    std::ofstream(path, std::ios::app) << "7 99999999999999999999 1\nxx";
    LocalJournal journal(directory_);
    EXPECT_EQ(load(journal).size(), 2u);
}

TEST_F(JournalTest, of_too_many_the_youngest_stay) {
    {
        LocalJournal journal(directory_);
        load(journal);
        for (uint64_t i = 1; i <= 10; i++) put(journal, std::to_string(i), "x", i);
    }
    LocalJournal journal(directory_);
    EXPECT_EQ(load(journal, 2), (Documents{{"9", "x", 9}, {"10", "x", 10}}));
}

TEST_F(JournalTest, an_exchange_goes_on_with_its_documents_and_revisions) {
    {
        LocalExchange exchange;
        ASSERT_TRUE(exchange.keep_in(directory_));
        ASSERT_TRUE(exchange.put(bucket::directives, "Metadata/a", "one", 0));
        ASSERT_TRUE(exchange.put(bucket::directives, "Metadata/b", "two", 0));
        exchange.remove(bucket::directives, "Metadata/a");
        ASSERT_TRUE(exchange.put(bucket::nodes, "n", "status", 0));
    }
    LocalExchange exchange;
    ASSERT_TRUE(exchange.keep_in(directory_));
    EXPECT_EQ(exchange.get(bucket::directives, "Metadata/b").value, "two");
    EXPECT_EQ(exchange.get(bucket::directives, "Metadata/b").revision, 2u);
    EXPECT_EQ(exchange.get(bucket::directives, "Metadata/a").revision, 0u);
    EXPECT_EQ(exchange.get(bucket::nodes, "n").revision, 0u);
    EXPECT_TRUE(exchange.put(bucket::directives, "Metadata/b", "three", 2));
}

TEST_F(JournalTest, a_folder_that_cannot_be_written_is_an_error_in_words) {
    std::ofstream(directory_ + "/file") << "x";
    LocalExchange exchange;
    const auto kept = exchange.keep_in(directory_ + "/file/below");
    ASSERT_FALSE(kept);
    EXPECT_NE(kept.error().find("Not a directory"), std::string::npos) << kept.error();
}

}  // namespace
}  // namespace cvf::bus
