// The file sink on real file systems: rotation, zstd, restarts, a disk that is full.
#include "sink/file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zstd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "sink/frames.h"
#include "sink/rotation.h"
#include "sink/tally.h"
#include "sink/threaded.h"

namespace cvf::sink {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

std::string lines(size_t from, size_t count) {
    std::string out;
    for (size_t i = from; i < from + count; ++i) out += "{\"n\":" + std::to_string(i) + "}\n";
    return out;
}

std::string slurp(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
}

std::string unzstd(const std::string& packed) {
    std::string out;
    ZSTD_DCtx* context = ZSTD_createDCtx();
    ZSTD_inBuffer in{packed.data(), packed.size(), 0};
    char piece[65536];
    while (in.pos < in.size) {
        ZSTD_outBuffer to{piece, sizeof piece, 0};
        const size_t left = ZSTD_decompressStream(context, &to, &in);
        if (ZSTD_isError(left)) {
            out += "<broken>";
            break;
        }
        out.append(piece, to.pos);
    }
    ZSTD_freeDCtx(context);
    return out;
}

struct FileSinkTest : testing::Test {
    fs::path folder = fs::path(testing::TempDir()) / ("cvf-file-" + std::to_string(::getpid()));
    std::vector<std::string> said;

    void SetUp() override {
        fs::remove_all(folder);
        fs::create_directories(folder);
    }
    void TearDown() override { fs::remove_all(folder); }

    FileOptions options(const std::string& name) {
        FileOptions o;
        o.path = folder / name;
        o.complain = [this](std::string_view line) { said.emplace_back(line); };
        return o;
    }
    static std::unique_ptr<Sink> make(FileOptions o) {
        auto sink = make_file_sink(std::move(o));
        EXPECT_TRUE(sink) << sink.error();
        return std::move(*sink);
    }
};

TEST_F(FileSinkTest, writes_lines_and_goes_on_after_a_restart) {
    for (size_t i = 0; i < 3; ++i) {
        auto sink = make(options("a.jsonl"));
        sink->write(lines(i * 10, 10), 10);
        sink->finish();
        EXPECT_EQ(sink->stats().records_written, 10u);
    }
    EXPECT_EQ(slurp(folder / "a.jsonl"), lines(0, 30));
    auto o = options("a.jsonl");
    o.start = FileOptions::Start::truncate;
    make(o)->write(lines(7, 1), 1);
    EXPECT_EQ(slurp(folder / "a.jsonl"), lines(7, 1));
    EXPECT_TRUE(rotated_files(folder / "a.jsonl").empty());
}

TEST_F(FileSinkTest, rotates_by_size_and_keeps_the_newest) {
    auto o = options("b.jsonl");
    o.rotate_bytes = 1000;
    o.keep = 3;
    auto sink = make(o);
    for (size_t i = 0; i < 1000; i += 10) sink->write(lines(i, 10), 10);
    sink->finish();
    const auto rotated = rotated_files(o.path);
    ASSERT_EQ(rotated.size(), 3u);
    std::string all;
    for (const auto& file : rotated) {
        EXPECT_GE(fs::file_size(file), 1000u);
        EXPECT_LT(fs::file_size(file), 1200u);
        all += slurp(file);
    }
    all += slurp(o.path);
    EXPECT_TRUE(lines(0, 1000).ends_with(all)) << "the newest records, without a hole and in order";
    EXPECT_EQ(sink->stats().records_written, 1000u);
}

TEST_F(FileSinkTest, rotates_by_age_but_makes_no_empty_files) {
    auto o = options("c.jsonl");
    o.rotate_age = 1s;
    auto sink = make(o);
    EXPECT_TRUE(sink->needs_tick());
    sink->write(lines(0, 1), 1);
    std::this_thread::sleep_for(1100ms);
    sink->tick();
    EXPECT_EQ(rotated_files(o.path).size(), 1u);
    std::this_thread::sleep_for(1100ms);
    sink->tick();
    EXPECT_EQ(rotated_files(o.path).size(), 1u);
    EXPECT_EQ(fs::file_size(o.path), 0u);
}

TEST_F(FileSinkTest, compresses_into_whole_frames_across_rotation) {
    auto o = options("d.jsonl.zst");
    o.rotate_bytes = 2000;
    auto sink = make(o);
    for (size_t i = 0; i < 20000; i += 1000) {
        sink->write(lines(i, 1000), 1000);
        sink->flush();
    }
    sink->finish();
    const auto rotated = rotated_files(o.path);
    EXPECT_GT(rotated.size(), 2u);
    std::string all;
    uint64_t bytes = 0;
    for (const auto& file : rotated) {
        EXPECT_TRUE(file.ends_with(".zst"));
        EXPECT_NE(file.find("d.jsonl-20"), std::string::npos);
        all += unzstd(slurp(file));
        bytes += fs::file_size(file);
    }
    all += unzstd(slurp(o.path));
    bytes += fs::file_size(o.path);
    EXPECT_EQ(all, lines(0, 20000));
    EXPECT_EQ(sink->stats().bytes_written, bytes);
}

TEST_F(FileSinkTest, leaves_whole_frames_when_its_process_is_killed_and_goes_on_beside_them) {
    const auto o = options("e.jsonl.zst");
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        auto sink = make(o);
        sink->write(lines(0, 1000), 1000);
        sink->flush();
        sink->write(lines(1000, 300'000), 300'000);  // part of an unfinished frame reaches the file
        ::kill(::getpid(), SIGKILL);
    }
    ::waitpid(child, nullptr, 0);
    const std::string left = slurp(o.path);
    EXPECT_FALSE(whole_frames(left));
    EXPECT_TRUE(unzstd(left).starts_with(lines(0, 1000)));
    auto sink = make(o);
    sink->write(lines(5, 5), 5);
    sink->finish();
    EXPECT_EQ(unzstd(slurp(o.path)), lines(5, 5));
    const auto rotated = rotated_files(o.path);
    ASSERT_EQ(rotated.size(), 1u);
    EXPECT_EQ(slurp(rotated[0]), left);
}

TEST_F(FileSinkTest, rotates_away_a_file_that_ends_in_the_middle_of_a_line) {
    const auto o = options("f.jsonl");
    std::ofstream(o.path) << "{\"n\":0}\n{\"n";
    make(o)->write(lines(1, 1), 1);
    EXPECT_EQ(slurp(o.path), lines(1, 1));
    ASSERT_EQ(rotated_files(o.path).size(), 1u);
    EXPECT_EQ(slurp(rotated_files(o.path)[0]), "{\"n\":0}\n{\"n");
}

TEST_F(FileSinkTest, makes_the_file_anew_when_someone_moved_it) {
    const auto o = options("g.jsonl");
    auto sink = make(o);
    sink->write(lines(0, 1), 1);
    fs::rename(o.path, folder / "moved");
    std::this_thread::sleep_for(1100ms);
    sink->write(lines(1, 1), 1);
    sink->finish();
    EXPECT_EQ(slurp(folder / "moved"), lines(0, 1));
    EXPECT_EQ(slurp(o.path), lines(1, 1));
}

TEST_F(FileSinkTest, removes_no_file_that_is_not_its_own) {
    const auto o = options("h.jsonl.zst");
    for (const char* name : {"h.jsonl-20260102T030405Z.zst", "h.jsonl-20260102T030405Z.2.zst", "h.jsonl-20260101T030405Z.zst"})
        std::ofstream(folder / name) << "x";
    for (const char* other : {"h.jsonl-20260102T030405Z", "h.jsonl-2026.zst", "h.jsonl-20260102T030405Z.x.zst", "h.jsonl.zst.bak",
                              "i.jsonl-20260102T030405Z.zst", "h.jsonl-20260102T030405Z.0.zst", "hh.jsonl-20260102T030405Z.zst"})
        std::ofstream(folder / other) << "x";
    const auto files = rotated_files(o.path);
    ASSERT_EQ(files.size(), 3u);
    EXPECT_TRUE(files[0].ends_with("20260101T030405Z.zst"));
    EXPECT_TRUE(files[2].ends_with("Z.2.zst"));
    remove_oldest(o.path, 1);
    EXPECT_EQ(std::distance(fs::directory_iterator(folder), fs::directory_iterator()), 8);
}

TEST_F(FileSinkTest, tells_which_file_cannot_be_opened) {
    auto o = options("x");
    o.path = folder / "none" / "x";
    const auto missing = make_file_sink(o);
    ASSERT_FALSE(missing);
    EXPECT_NE(missing.error().find("none/x: No such file"), std::string::npos);
    o.path = folder;
    EXPECT_FALSE(make_file_sink(o));
}

TEST_F(FileSinkTest, writes_to_a_device_without_rotating_it) {
    auto o = options("x");
    o.path = "/dev/full";
    o.rotate_bytes = 1;
    auto sink = make(o);
    sink->write(lines(0, 3), 3);
    EXPECT_EQ(sink->stats().records_lost, 3u);
    EXPECT_EQ(said.size(), 1u);
    EXPECT_TRUE(fs::exists("/dev/full"));
}

// A real full disk: 64 KiB of tmpfs in a mount namespace of a child.
int on_a_tiny_disk(const fs::path& at, int (*work)(const std::string& folder)) {
    const pid_t child = ::fork();
    if (child == 0) {
        if (::unshare(CLONE_NEWNS) != 0 || ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
            ::mount("none", at.c_str(), "tmpfs", 0, "size=64k") != 0)
            ::_exit(99);
        ::_exit(work(at));
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int fill_plain(const std::string& folder) {
    int complaints = 0;
    FileOptions o;
    o.path = folder + "/full.jsonl";
    o.complain = [&](std::string_view) { ++complaints; };
    auto sink = std::move(*make_file_sink(o));
    for (size_t i = 0; i < 20'000; i += 100) sink->write(lines(i, 100), 100);
    auto stats = sink->stats();
    if (stats.records_lost == 0 || stats.records_written == 0 || stats.records_written + stats.records_lost != 20'000) return 1;
    if (complaints != 1) return 2;
    const std::string there = slurp(o.path);
    if (there.size() != stats.bytes_written || !there.ends_with("\n") || count_lines(there) != stats.records_written) return 3;
    // There is room again: it goes on, with whole lines only.
    fs::resize_file(o.path, 0);
    fs::remove(o.path);
    std::this_thread::sleep_for(1100ms);
    sink->write(lines(0, 10), 10);
    sink->finish();
    if (slurp(o.path) != lines(0, 10)) return 4;
    return sink->stats().last_error.empty() && sink->stats().records_written == stats.records_written + 10 ? 0 : 5;
}

std::string noise(size_t count) {
    std::string out;
    unsigned state = 7;
    for (size_t i = 0; i < count; ++i) {
        for (int n = 0; n < 60; ++n) out += static_cast<char>('!' + ((state = state * 1664525u + 1013904223u) >> 24) % 90);
        out += '\n';
    }
    return out;
}

int fill_zstd(const std::string& folder) {
    int complaints = 0;
    FileOptions o;
    o.path = folder + "/full.jsonl.zst";
    o.complain = [&](std::string_view) { ++complaints; };
    auto sink = std::move(*make_file_sink(o));
    const std::string batch = noise(100);
    for (int i = 0; i < 40; ++i) {
        sink->write(batch, 100);
        sink->flush();
    }
    sink->finish();
    const auto stats = sink->stats();
    if (stats.records_lost == 0 || stats.records_written == 0 || stats.records_written + stats.records_lost != 4000) return 1;
    if (complaints != 1) return 2;
    const std::string there = slurp(o.path);
    if (!whole_frames(there) || there.size() != stats.bytes_written) return 3;
    return count_lines(unzstd(there)) == stats.records_written ? 0 : 4;
}

TEST_F(FileSinkTest, on_a_full_disk_keeps_whole_lines_and_an_exact_count) {
    const int result = on_a_tiny_disk(folder, fill_plain);
    if (result == 99) GTEST_SKIP() << "needs root for a mount namespace";
    EXPECT_EQ(result, 0);
}

TEST_F(FileSinkTest, on_a_full_disk_keeps_whole_frames_and_an_exact_count) {
    const int result = on_a_tiny_disk(folder, fill_zstd);
    if (result == 99) GTEST_SKIP() << "needs root for a mount namespace";
    EXPECT_EQ(result, 0);
}

TEST_F(FileSinkTest, behind_a_thread_ends_its_frame_each_second) {
    const auto o = options("t.jsonl.zst");
    auto sink = make_threaded_sink(make(o));
    sink->write(lines(0, 10), 10);
    std::this_thread::sleep_for(2500ms);
    EXPECT_EQ(unzstd(slurp(o.path)), lines(0, 10));
    EXPECT_EQ(sink->stats().records_written, 10u);
}

}  // namespace
}  // namespace cvf::sink
