// Standard output's sink against real pipes, sockets and a full device.
#include "sink/descriptor.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "sink/threaded.h"

namespace cvf::sink {
namespace {

using namespace std::chrono_literals;

std::string lines(size_t count, size_t width = 100) {
    std::string out;
    for (size_t i = 0; i < count; ++i) {
        std::string line = std::to_string(i);
        line.resize(width - 1, '.');
        out += line + "\n";
    }
    return out;
}

struct Pipe {
    int ends[2];
    explicit Pipe(bool socket = false) {
        const int made = socket ? ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) : ::pipe2(ends, O_CLOEXEC);
        EXPECT_EQ(made, 0);
    }
    ~Pipe() {
        close_reader();
        if (ends[1] >= 0) ::close(ends[1]);
    }
    void close_reader() {
        if (ends[0] >= 0) ::close(ends[0]);
        ends[0] = -1;
    }
    void close_writer() {
        ::close(ends[1]);
        ends[1] = -1;
    }
    std::string read_all(std::chrono::microseconds pause = 0us) const {
        std::string out;
        char piece[8192];
        for (ssize_t n; (n = ::read(ends[0], piece, sizeof piece)) > 0;) {
            out.append(piece, static_cast<size_t>(n));
            if (pause.count() > 0) std::this_thread::sleep_for(pause);
        }
        return out;
    }
};

TEST(DescriptorSink, is_lossless_however_slow_the_reader) {
    for (const bool interruptible : {false, true}) {
        for (const bool socket : {false, true}) {
            Pipe pipe(socket);
            std::string got;
            std::thread reader([&] { got = pipe.read_all(200us); });
            const std::string batch = lines(1000);
            {
                auto sink = make_descriptor_sink({.fd = pipe.ends[1], .interruptible = interruptible});
                for (int i = 0; i < 10; ++i) sink->write(batch, 1000);
                sink->finish();
                EXPECT_EQ(sink->stats().records_written, 10000u);
                EXPECT_EQ(sink->stats().records_lost, 0u);
                EXPECT_EQ(sink->stats().bytes_written, 10 * batch.size());
            }
            pipe.close_writer();
            reader.join();
            std::string wanted;
            for (int i = 0; i < 10; ++i) wanted += batch;
            EXPECT_EQ(got, wanted);
        }
    }
}

TEST(DescriptorSink, closes_quietly_when_its_reader_is_gone) {
    Pipe pipe;
    std::vector<std::string> said;
    auto sink = make_descriptor_sink({.fd = pipe.ends[1], .complain = [&](std::string_view line) { said.emplace_back(line); }});
    sink->write(lines(10), 10);
    EXPECT_FALSE(sink->closed());
    pipe.close_reader();
    sink->write(lines(10), 10);
    EXPECT_TRUE(sink->closed());
    sink->write(lines(5), 5);
    EXPECT_EQ(sink->stats().records_written, 10u);
    EXPECT_EQ(sink->stats().records_lost, 15u);
    EXPECT_TRUE(said.empty());
}

TEST(DescriptorSink, counts_exactly_when_the_reader_dies_in_the_middle_of_a_batch) {
    Pipe pipe;
    auto sink = make_descriptor_sink({.fd = pipe.ends[1]});
    std::thread reader([&] {
        char piece[5000];
        size_t got = 0;
        while (got < 150'000) got += static_cast<size_t>(std::max<ssize_t>(0, ::read(pipe.ends[0], piece, sizeof piece)));
        pipe.close_reader();
    });
    for (int i = 0; i < 20; ++i) sink->write(lines(1000), 1000);
    reader.join();
    sink->finish();
    const auto stats = sink->stats();
    EXPECT_TRUE(sink->closed());
    EXPECT_EQ(stats.records_written + stats.records_lost, 20000u);
    EXPECT_EQ(stats.records_written, stats.bytes_written / 100);
}

TEST(DescriptorSink, says_a_full_device_once_and_counts_what_is_lost) {
    const int full = ::open("/dev/full", O_WRONLY | O_CLOEXEC);
    ASSERT_GE(full, 0);
    for (const bool interruptible : {false, true}) {
        std::vector<std::string> said;
        auto sink = make_descriptor_sink(
            {.fd = full, .interruptible = interruptible, .complain = [&](std::string_view line) { said.emplace_back(line); }});
        for (int i = 0; i < 3; ++i) sink->write(lines(10), 10);
        EXPECT_FALSE(sink->closed());
        EXPECT_EQ(sink->stats().records_written, 0u);
        EXPECT_EQ(sink->stats().records_lost, 30u);
        EXPECT_NE(sink->stats().last_error.find("No space left"), std::string::npos);
        ASSERT_EQ(said.size(), 1u);
        EXPECT_NE(said[0].find("standard output"), std::string::npos);
    }
    ::close(full);
}

TEST(DescriptorSink, gives_up_when_interrupted_and_counts_the_rest) {
    for (const bool socket : {false, true}) {
        Pipe pipe(socket);
        auto sink = make_descriptor_sink({.fd = pipe.ends[1], .interruptible = true});
        const std::string batch = lines(20'000);
        std::thread other([&] {
            std::this_thread::sleep_for(200ms);
            sink->interrupt();
        });
        sink->write(batch, 20'000);
        other.join();
        sink->finish();
        const auto stats = sink->stats();
        EXPECT_GT(stats.records_written, 0u);
        EXPECT_GT(stats.records_lost, 0u);
        EXPECT_EQ(stats.records_written + stats.records_lost, 20'000u);
    }
}

TEST(ThreadedSink, does_not_make_the_writer_wait_for_a_stalled_reader) {
    Pipe pipe;
    auto sink = make_threaded_sink(make_descriptor_sink({.fd = pipe.ends[1], .interruptible = true}),
                                   {.buffer_bytes = 200'000, .grace = 100ms});
    const std::string batch = lines(100);
    const auto before = std::chrono::steady_clock::now();
    for (int i = 0; i < 200; ++i) sink->write(batch, 100);
    EXPECT_LT(std::chrono::steady_clock::now() - before, 500ms);
    EXPECT_GT(sink->stats().records_lost, 0u);
    sink->finish();  // nobody reads: it must end all the same
    EXPECT_LT(std::chrono::steady_clock::now() - before, 2s);
    const auto stats = sink->stats();
    EXPECT_EQ(stats.records_written + stats.records_lost, 20'000u);
    sink.reset();  // it has opened the pipe anew for itself
    pipe.close_writer();
    const std::string got = pipe.read_all();
    EXPECT_EQ(got.size(), stats.bytes_written);
    EXPECT_EQ(got.size() / 100, stats.records_written);
}

TEST(ThreadedSink, writes_all_of_it_to_a_reader_that_keeps_up) {
    Pipe pipe;
    std::string got;
    std::thread reader([&] { got = pipe.read_all(); });
    std::string wanted;
    {
        auto sink = make_threaded_sink(make_descriptor_sink({.fd = pipe.ends[1], .interruptible = true}));
        for (int i = 0; i < 200; ++i) {
            const std::string batch = lines(static_cast<size_t>(i % 7 + 1));
            sink->write(batch, static_cast<size_t>(i % 7 + 1));
            wanted += batch;
            if (i % 50 == 0) {
                sink->flush();
                EXPECT_EQ(sink->stats().bytes_written, wanted.size());
            }
        }
    }
    pipe.close_writer();
    reader.join();
    EXPECT_EQ(got, wanted);
}

// Takes everything, and tells how often it was given something.
struct Counting final : Sink {
    std::atomic<size_t>& writes;
    std::atomic<size_t> records = 0;
    explicit Counting(std::atomic<size_t>& counter) : writes(counter) {}
    void write(std::string_view, size_t n) override {
        writes++;
        records += n;
    }
    void flush() override {}
    SinkStats stats() const override {
        return {.records_written = records, .bytes_written = 0, .records_lost = 0, .last_error = {}};
    }
    bool closed() const override { return false; }
    void interrupt() override {}
};

TEST(ThreadedSink, is_woken_for_the_first_batch_at_once_and_then_for_many_together) {
    std::atomic<size_t> writes = 0;
    auto sink = make_threaded_sink(std::make_unique<Counting>(writes), {.rest = 20ms});
    const auto begun = std::chrono::steady_clock::now();
    sink->write(lines(1), 1);
    while (writes == 0 && std::chrono::steady_clock::now() - begun < 5s) std::this_thread::yield();
    EXPECT_EQ(writes, 1u);
    for (int i = 0; i < 100; ++i) {
        sink->write(lines(1), 1);
        std::this_thread::sleep_for(1ms);
    }
    sink->flush();
    const auto rests = (std::chrono::steady_clock::now() - begun) / 20ms;
    EXPECT_LE(writes, static_cast<size_t>(rests) + 2);
    EXPECT_EQ(sink->stats().records_written, 101u);
}

TEST(ThreadedSink, does_not_rest_while_much_waits) {
    std::atomic<size_t> writes = 0;
    auto sink = make_threaded_sink(std::make_unique<Counting>(writes), {.wake_bytes = 10'000, .rest = 1h});
    sink->write(lines(1), 1);
    const auto begun = std::chrono::steady_clock::now();
    while (writes == 0 && std::chrono::steady_clock::now() - begun < 5s) std::this_thread::yield();
    sink->write(lines(200), 200);
    while (writes < 2 && std::chrono::steady_clock::now() - begun < 5s) std::this_thread::yield();
    EXPECT_EQ(writes, 2u);
    sink->write(lines(1), 1);
    sink->flush();  // nor when all must be out
    EXPECT_EQ(sink->stats().records_written, 202u);
}

TEST(ThreadedSink, tells_that_the_reader_is_gone) {
    Pipe pipe;
    auto sink = make_threaded_sink(make_descriptor_sink({.fd = pipe.ends[1], .interruptible = true}));
    pipe.close_reader();
    sink->write(lines(1), 1);
    sink->flush();
    EXPECT_TRUE(sink->closed());
    EXPECT_EQ(sink->stats().records_lost, 1u);
}

}  // namespace
}  // namespace cvf::sink
