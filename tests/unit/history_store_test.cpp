#include "history/store.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "history/sink.h"
#include "history_reference.h"
#include "sink/threaded.h"

namespace cvf::history {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

class Store : public testing::Test {
 protected:
    Store() : folder_(testing::TempDir() + fmt::format("cvf-history-{}", ::getpid())) { fs::remove_all(folder_); }
    ~Store() override { fs::remove_all(folder_); }

    StoreOptions options() const {
        return {.folder = folder_, .max_age = std::chrono::days(36500), .complain = [](std::string_view) {}};
    }
    static std::unique_ptr<History> must_open(StoreOptions o) {
        auto store = open_store(std::move(o));
        EXPECT_TRUE(store) << store.error();
        return store ? std::move(*store) : nullptr;
    }
    static uint64_t count(const History& history) {
        uint64_t n = 0;
        Receiver receiver;
        receiver.table = [&](const Table& table, bool) { return n = std::get<uint64_t>(table.rows.at(0).at(0)), true; };
        EXPECT_TRUE(history.query(*parse_query({.measures = {"count"}}, 0), receiver));
        return n;
    }
    std::vector<fs::path> segments() const {
        std::vector<fs::path> found;
        for (const auto& e : fs::directory_iterator(folder_))
            if (e.path().string().ends_with(".jsonl.zst")) found.push_back(e.path());
        std::ranges::sort(found);
        return found;
    }

    std::string folder_;
};

TEST_F(Store, answers_every_question_as_counting_does) {
    auto store = must_open(options());
    Reference reference;
    Made made;
    for (int i = 0; i < 900; i += 100) {
        const std::string lines = made.lines(i, i + 100);
        reference.add(lines);
        store->write(lines);
        store->flush();  // a block each
    }
    for (const QueryText& text : questions()) expect_same(*store, reference, text);
    // And so after a restart, from one block or many.
    store.reset();
    store = must_open(options());
    EXPECT_EQ(store->stats().records, 900u);
    for (const QueryText& text : questions()) expect_same(*store, reference, text);
}

TEST_F(Store, is_read_by_any_zstd_as_json_lines) {
    Made made;
    const std::string lines = made.lines(0, 300);
    auto store = must_open(options());
    store->write(lines);
    store.reset();
    ASSERT_EQ(segments().size(), 1u);
    const std::string out = folder_ + "/out";
    if (std::system(fmt::format("zstd -qdc {} > {} 2>/dev/null", segments()[0].string(), out).c_str()) != 0)
        GTEST_SKIP() << "the program zstd is not installed";
    std::ifstream in(out);
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), lines);
}

TEST_F(Store, counts_what_is_no_record_and_keeps_the_rest) {
    auto store = must_open(options());
    Made made;
    store->write("nonsense\n{}\n" + made.lines(0, 3) + "half a line without an end");
    store->flush();
    EXPECT_EQ(store->stats().refused, 3u);
    EXPECT_EQ(store->stats().written, 3u);
    EXPECT_EQ(count(*store), 3u);
}

TEST_F(Store, lets_one_program_write) {
    auto store = must_open(options());
    const auto second = open_store(options());
    ASSERT_FALSE(second);
    EXPECT_NE(second.error().find("another program"), std::string::npos) << second.error();
}

TEST_F(Store, names_the_folder_it_cannot_use) {
    auto o = options();
    o.folder = "/proc/nowhere/history";
    const auto store = open_store(o);
    ASSERT_FALSE(store);
    EXPECT_NE(store.error().find("/proc/nowhere/history"), std::string::npos);
}

TEST_F(Store, flushes_within_its_interval) {
    auto o = options();
    o.flush_interval = 50ms;
    auto store = must_open(o);
    Made made;
    store->write(made.lines(0, 2));
    EXPECT_EQ(count(*store), 0u);
    std::this_thread::sleep_for(60ms);
    store->write(made.lines(2, 3));
    EXPECT_EQ(count(*store), 3u);
    store->write(made.lines(3, 4));
    store->tick();
    EXPECT_EQ(count(*store), 4u);
}

TEST_F(Store, keeps_its_bound_of_bytes_and_counts_what_it_drops) {
    auto o = options();
    o.max_bytes = 64 * 1024;
    auto store = must_open(o);
    Made made;
    uint64_t given = 0;
    for (int i = 0; i < 20'000; i += 200) {
        store->write(made.lines(i, i + 200));
        store->flush();
        given += 200;
        const Stats stats = store->stats();
        EXPECT_LE(stats.bytes, o.max_bytes);
        EXPECT_EQ(stats.records + stats.dropped_records, given);
    }
    EXPECT_GT(store->stats().dropped_segments, 0u);
    EXPECT_EQ(count(*store), store->stats().records);
    uint64_t on_disk = 0;
    for (const auto& path : segments()) on_disk += fs::file_size(path);
    EXPECT_EQ(on_disk, store->stats().bytes);
    // What is left is the newest.
    EXPECT_GT(store->stats().first, Made::time(10'000));
}

TEST_F(Store, drops_what_is_too_old) {
    auto o = options();
    {
        auto store = must_open(o);
        Made made;
        store->write(made.lines(0, 10));
    }
    o.max_age = 1h;  // the records are of a fixed day
    if (std::chrono::system_clock::now().time_since_epoch() < std::chrono::nanoseconds(Made::start) + 2h)
        GTEST_SKIP() << "the clock is before the records";
    auto store = must_open(o);
    // Its segment is still written to; a new one lets it go.
    o.segment_age = 0s;
    store.reset();
    store = must_open(o);
    store->tick();
    EXPECT_EQ(store->stats().records, 0u);
    EXPECT_EQ(store->stats().dropped_records, 10u);
}

TEST_F(Store, drops_what_is_too_old_though_a_record_of_it_or_before_it_is_dated_in_the_future) {
    auto o = options();
    o.segment_bytes = 1;  // each block is a segment
    {
        auto store = must_open(o);
        Made made;
        for (const char* time : {"2150-01-01T00:00:00Z", "2020-01-01T00:00:00Z", "2150-01-01T00:00:00Z"}) {
            store->write(fmt::format("{{\"@timestamp\":\"{}\",\"record.type\":\"dns\"}}\n", time));
            store->flush();
        }
    }
    ASSERT_EQ(segments().size(), 3u);
    // The first was written long ago, by a node with a wrong clock; the last is the newest.
    const timespec old[] = {{1'500'000'000, 0}, {1'500'000'000, 0}};
    ASSERT_EQ(::utimensat(AT_FDCWD, segments()[0].c_str(), old, 0), 0);
    o.max_age = 24h;
    auto store = must_open(o);
    EXPECT_EQ(store->stats().dropped_records, 1u) << "one at a time";
    store->tick();
    EXPECT_EQ(store->stats().dropped_records, 2u);
    store->tick();
    EXPECT_EQ(store->stats().dropped_records, 2u);
    EXPECT_EQ(store->stats().records, 1u);
}

TEST_F(Store, loses_nothing_flushed_when_it_is_killed) {
    int pipe_ends[2];
    ASSERT_EQ(::pipe(pipe_ends), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        auto o = options();
        o.flush_interval = 5ms;
        o.segment_bytes = 100'000;
        auto store = open_store(o);
        if (!store) ::_exit(1);
        Made made;
        for (int i = 0;; i += 20) {
            (*store)->write(made.lines(i, i + 20));
            (*store)->tick();
            const uint64_t safe = (*store)->stats().written;
            if (::write(pipe_ends[1], &safe, sizeof safe) != sizeof safe) ::_exit(1);
        }
    }
    ::close(pipe_ends[1]);
    uint64_t safe = 0, told = 0;
    // Killed in the middle of whatever it does then.
    for (int i = 0; i < 400 && ::read(pipe_ends[0], &told, sizeof told) == sizeof told; ++i) safe = told;
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    while (::read(pipe_ends[0], &told, sizeof told) == sizeof told) safe = told;
    ::close(pipe_ends[0]);
    ASSERT_GT(safe, 0u);
    auto store = must_open(options());
    EXPECT_GE(store->stats().records, safe);
    EXPECT_EQ(count(*store), store->stats().records);
    // And it goes on.
    Made made;
    store->write(made.lines(0, 5));
    store->flush();
    EXPECT_EQ(store->stats().written, 5u);
}

TEST_F(Store, cuts_a_damaged_end_and_says_how_much) {
    Made made;
    {
        auto store = must_open(options());
        store->write(made.lines(0, 100));
        store->flush();
        store->write(made.lines(100, 200));
    }
    const auto path = segments().at(0);
    std::string bytes;
    {
        std::ifstream in(path, std::ios::binary);
        bytes.assign(std::istreambuf_iterator<char>(in), {});
    }
    const size_t step = std::max<size_t>(bytes.size() / 60, 1);
    for (size_t size = 0; size < bytes.size(); size += step) {
        std::ofstream(path, std::ios::binary | std::ios::trunc).write(bytes.data(), static_cast<std::streamsize>(size));
        auto store = must_open(options());
        const uint64_t records = store->stats().records;
        EXPECT_TRUE(records == 0 || records == 100) << size;
        EXPECT_EQ(count(*store), records);
        EXPECT_EQ(store->stats().cut_bytes + store->stats().bytes, size);
        store->write(made.lines(0, 1));
        store->flush();
        EXPECT_EQ(count(*store), records + 1);
    }
    // Zeros where blocks were not written back when power failed.
    std::string holed = bytes;
    std::fill(holed.end() - 200, holed.end(), '\0');
    std::ofstream(path, std::ios::binary | std::ios::trunc).write(holed.data(), static_cast<std::streamsize>(holed.size()));
    auto store = must_open(options());
    EXPECT_EQ(store->stats().records, 100u);
}

TEST_F(Store, counts_damage_in_the_middle_and_answers_from_the_rest) {
    Made made;
    {
        auto store = must_open(options());
        for (int i = 0; i < 300; i += 100) {
            store->write(made.lines(i, i + 100));
            store->flush();
        }
    }
    const auto path = segments().at(0);
    auto store = must_open(options());
    // Behind the first block's head: its columns.
    const int fd = ::open(path.c_str(), O_WRONLY);
    for (off_t at = 2500; at < 9000; at += 3) ASSERT_EQ(::pwrite(fd, "X", 1, at), 1);
    ::close(fd);
    Receiver receiver;
    uint64_t rows = 0;
    receiver.row = [&](std::string_view) { return ++rows, true; };
    const auto progress =
        store->query(*parse_query({.filter = "source.port > 0 && has(dns.answers)", .limit = "0"}, 0), receiver);
    ASSERT_TRUE(progress);
    EXPECT_GE(progress->damaged, 100u);
    EXPECT_LE(progress->damaged, 200u);
    EXPECT_GT(rows, 0u);
    EXPECT_EQ(progress->examined, 300u);
}

TEST_F(Store, stays_alive_on_a_full_disk_and_recovers) {
    fs::create_directories(folder_);
    if (::mount("tmpfs", folder_.c_str(), "tmpfs", 0, "size=256k") != 0) GTEST_SKIP() << "mounting needs root";
    std::vector<std::string> said;
    {
        auto o = options();
        o.complain = [&](std::string_view line) { said.emplace_back(line); };
        auto store = must_open(o);
        std::ofstream(folder_ + "/ballast") << std::string(180 * 1024, 'x');
        Made made;
        int given = 0;
        for (; given < 20'000; given += 200) {
            store->write(made.lines(given, given + 200));
            store->flush();
        }
        Stats stats = store->stats();
        EXPECT_GT(stats.lost, 0u);
        EXPECT_EQ(stats.written + stats.lost, static_cast<uint64_t>(given));
        EXPECT_FALSE(stats.last_error.empty());
        EXPECT_EQ(said.size(), 1u) << "said once";
        EXPECT_EQ(count(*store), stats.records);
        // Room again.
        fs::remove(folder_ + "/ballast");
        store->write(made.lines(given, given + 200));
        store->flush();
        EXPECT_EQ(store->stats().written, stats.written + 200);
        EXPECT_TRUE(store->stats().last_error.empty());
        store.reset();
        store = must_open(options());
        EXPECT_EQ(store->stats().cut_bytes, 0u);
        EXPECT_EQ(count(*store), stats.written + 200);
    }
    EXPECT_EQ(::umount(folder_.c_str()), 0);
}

TEST_F(Store, packs_the_small_blocks_of_a_slow_stream) {
    auto o = options();
    o.segment_bytes = 60'000;
    auto store = must_open(o);
    Reference reference;
    Made made;
    for (int i = 0; i < 3000; i += 20) {
        const std::string lines = made.lines(i, i + 20);
        reference.add(lines);
        store->write(lines);
        store->flush();
    }
    const uint64_t before = store->stats().bytes;
    for (int i = 0; i < 50; ++i) store->tick();
    EXPECT_LT(store->stats().bytes, before / 2);
    EXPECT_EQ(store->stats().records, 3000u);
    for (const QueryText& text : questions()) expect_same(*store, reference, text);
    store.reset();
    for (const auto& entry : fs::directory_iterator(folder_))
        EXPECT_FALSE(entry.path().string().ends_with(".packing")) << entry.path();
    store = must_open(o);
    EXPECT_EQ(count(*store), 3000u);
}

TEST_F(Store, is_read_while_it_is_written_and_dropped) {
    auto o = options();
    o.max_bytes = 200'000;
    o.flush_interval = 1ms;
    std::shared_ptr<History> store = must_open(o);
    std::atomic<bool> done = false;
    std::vector<std::thread> readers;
    std::atomic<uint64_t> answers = 0;
    for (int i = 0; i < 2; ++i)
        readers.emplace_back([&] {
            while (!done) {
                Receiver receiver;
                int64_t last = INT64_MAX;
                receiver.row = [&](std::string_view line) {
                    record::Record r;
                    EXPECT_TRUE(record::parse_record(line, r));
                    EXPECT_LE(r.timestamp(), last);
                    last = r.timestamp();
                    return true;
                };
                const auto progress =
                    store->query(*parse_query({.filter = "destination.port == 443", .limit = "200"}, 0), receiver);
                EXPECT_TRUE(progress);
                EXPECT_EQ(progress->damaged, 0u);
                ++answers;
            }
        });
    {
        auto sink = sink::make_threaded_sink(make_history_sink(store), {.buffer_bytes = 64 * 1024 * 1024});
        Made made;
        for (int i = 0; i < 30'000; i += 100) sink->write(made.lines(i, i + 100), 100);
        sink->flush();
        EXPECT_EQ(sink->stats().records_lost, 0u);
        EXPECT_EQ(sink->stats().records_written, 30'000u);
    }
    done = true;
    for (auto& t : readers) t.join();
    EXPECT_GT(answers, 0u);
}

TEST_F(Store, tells_how_far_it_is_and_stops_when_told) {
    auto store = must_open(options());
    Made made;
    for (int i = 0; i < 1000; i += 100) {
        store->write(made.lines(i, i + 100));
        store->flush();
    }
    std::vector<uint64_t> steps;
    Receiver receiver;
    receiver.progress = [&](const Progress& p) {
        EXPECT_EQ(p.total, 1000u);
        steps.push_back(p.examined);
        return p.examined < 500;
    };
    bool table = false;
    receiver.table = [&](const Table&, bool) { return table = true; };
    const auto progress = store->query(*parse_query({.filter = "cvf.http.sequence > 1", .measures = {"count"}}, 0), receiver);
    EXPECT_EQ(progress->examined, 500u);
    EXPECT_TRUE(std::ranges::is_sorted(steps));
    EXPECT_FALSE(table) << "who has had enough gets no answer";
}

TEST_F(Store, pages_through_everything_once) {
    auto store = must_open(options());
    Made made;
    for (int i = 0; i < 500; i += 50) {
        store->write(made.lines(i, i + 50));
        store->flush();
    }
    for (const char* order : {"newest", "oldest"}) {
        std::vector<std::string> paged, whole = answer(*store, *parse_query({.limit = "0", .order = order}, 0));
        std::string after;
        for (int page = 0; page < 100; ++page) {
            const auto lines = answer(*store, *parse_query({.limit = "7", .order = order, .after = after}, 0));
            if (lines.empty()) break;
            paged.insert(paged.end(), lines.begin(), lines.end());
            record::Record r;
            ASSERT_TRUE(record::parse_record(lines.back(), r));
            after = Position{r.timestamp(), std::string(r.lookup(record::Field::record_id)->as_text())}.text();
        }
        EXPECT_EQ(paged, whole);
    }
}

}  // namespace
}  // namespace cvf::history
