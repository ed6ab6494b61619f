#include "context/process_table.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "context_fake_proc.h"

namespace cvf::context {
namespace {

constexpr int64_t second = 1'000'000'000;
using test::FakeProc;

ProcessTable::Options options(const FakeProc& proc) {
    return {.proc = proc.path()};
}

TEST(ProcessTable, ReadsAnOlderProcessFromProc) {
    const FakeProc proc;
    proc.add(100, 1, 5000, "a (strange) name", "/usr/sbin/nginx (deleted)", std::string("nginx\0-g\0x\0", 11));
    auto with = options(proc);
    with.command_line = true;
    ProcessTable table(with);
    const auto found = table.find(100, "thread-1", FakeProc::utc(6000));
    ASSERT_TRUE(found && found->program);
    EXPECT_EQ(found->program->path, "/usr/sbin/nginx");
    EXPECT_EQ(found->program->name, "nginx");
    EXPECT_EQ(found->program->command_line, "nginx -g x");
    EXPECT_EQ(found->comm, "a (strange) name");
    EXPECT_EQ(found->parent_pid, 1u);
    EXPECT_NEAR(static_cast<double>(found->start_ns), static_cast<double>(FakeProc::utc(5000)), 1e6);
    EXPECT_EQ(table.find(100, "x", FakeProc::utc(6001)), found);
}

TEST(ProcessTable, NeverTakesTheFactsOfALaterUserOfThePid) {
    const FakeProc proc;
    proc.add(100, 1, 9000, "late", "/bin/late");
    ProcessTable table(options(proc));
    // The owner was seen before the process that has the pid now was started.
    const auto found = table.find(100, "early", FakeProc::utc(8000));
    ASSERT_TRUE(found);
    EXPECT_EQ(found->program, nullptr);
    EXPECT_EQ(found->comm, "early");
    EXPECT_EQ(found->start_ns, 0);
}

TEST(ProcessTable, KeepsAShortLifeFromItsEventsAlone) {
    const FakeProc proc;
    ProcessTable table(options(proc));
    const int64_t start = FakeProc::utc(1000);
    table.forked({.pid = 50, .parent_pid = 40, .uid = 7, .gid = 8, .cgroup_id = 9, .start_ns = start, .comm = "sh"}, start);
    table.executed({.pid = 50,
                    .parent_pid = 1,
                    .uid = 7,
                    .gid = 8,
                    .cgroup_id = 9,
                    .start_ns = start,
                    .comm = "curl",
                    .filename = "/usr/bin/curl"},
                   start + 1);
    const auto ended = table.exited({.pid = 50, .parent_pid = 1, .start_ns = start, .comm = "curl"}, start + second);
    const auto found = table.find(50, "curl", start + second);
    EXPECT_EQ(found, ended);
    ASSERT_TRUE(found && found->program);
    EXPECT_EQ(found->program->path, "/usr/bin/curl");
    EXPECT_EQ(found->parent_pid, 40u);
    EXPECT_EQ(found->exit_ns, start + second);
    EXPECT_EQ(found->uid, 7u);
}

TEST(ProcessTable, TellsAUsedAgainPidByItsStart) {
    const FakeProc proc;
    ProcessTable table(options(proc));
    const int64_t first = FakeProc::utc(1000), second_start = FakeProc::utc(2000);
    const auto old =
        table.executed({.pid = 60, .parent_pid = 1, .start_ns = first, .comm = "one", .filename = "/bin/one"}, first);
    // Its end was lost.
    const auto young = table.executed(
        {.pid = 60, .parent_pid = 2, .start_ns = second_start, .comm = "two", .filename = "/bin/two"}, second_start);
    EXPECT_NE(old, young);
    EXPECT_TRUE(old->replaced);
    EXPECT_EQ(old->program->path, "/bin/one");
    EXPECT_EQ(table.find(60, "two", second_start)->program->path, "/bin/two");
    EXPECT_EQ(table.size(), 1u);
}

TEST(ProcessTable, AChildHasItsParentsProgramUntilItBecomesAnother) {
    const FakeProc proc;
    ProcessTable table(options(proc));
    const int64_t start = FakeProc::utc(1000);
    table.executed({.pid = 70, .parent_pid = 1, .start_ns = start, .comm = "server", .filename = "/srv/server"}, start);
    const auto child = table.forked({.pid = 71, .parent_pid = 70, .start_ns = start + second, .comm = "server"}, start + second);
    EXPECT_EQ(child->program->path, "/srv/server");
    table.executed({.pid = 71, .parent_pid = 70, .start_ns = start + second, .comm = "cgi", .filename = "./cgi"},
                   start + 2 * second);
    EXPECT_EQ(child->program->name, "cgi");
    EXPECT_EQ(child->program->path, "");  // relative: where it lies is not known
    EXPECT_EQ(child->parent_pid, 70u);
}

TEST(ProcessTable, ThePathInProcIsBetterThanTheNameOfAScriptWhenItIsTheSameProcess) {
    const FakeProc proc;
    proc.add(80, 1, 3000, "tool.py", "/usr/bin/python3.11");
    ProcessTable table(options(proc));
    const auto same = table.executed(
        {.pid = 80, .parent_pid = 1, .start_ns = FakeProc::utc(3000), .comm = "tool.py", .filename = "/opt/tool.py"},
        FakeProc::utc(3001));
    EXPECT_EQ(same->program->path, "/usr/bin/python3.11");
    const auto earlier = table.executed(
        {.pid = 80, .parent_pid = 1, .start_ns = FakeProc::utc(2000), .comm = "tool.py", .filename = "/opt/tool.py"},
        FakeProc::utc(3001));
    EXPECT_EQ(earlier->program->path, "/opt/tool.py");
}

TEST(ProcessTable, ForgetsTheDeadAfterAWhileAndStaysWithinItsLimit) {
    const FakeProc proc;
    auto small = options(proc);
    small.max_processes = 100;
    ProcessTable table(small);
    const int64_t start = FakeProc::utc(1000);
    std::shared_ptr<Process> held;
    for (uint32_t pid = 1; pid <= 5000; ++pid) {
        const auto made = table.forked({.pid = pid, .parent_pid = 1, .start_ns = start + pid, .comm = "x"}, start + pid);
        ASSERT_TRUE(made);
        if (pid == 1) held = made;
        if (pid % 2) table.exited({.pid = pid, .parent_pid = 1, .start_ns = start + pid, .comm = "x"}, start + pid);
        ASSERT_LE(table.size(), 100u);
    }
    EXPECT_EQ(held->pid, 1u);
    EXPECT_EQ(held->comm, "x");
    for (uint32_t pid = 1; pid <= 5000; ++pid)
        table.exited({.pid = pid, .parent_pid = 1, .start_ns = start + pid, .comm = "x"}, start + 6000);
    table.expire(start + 6000 + small.keep_ns + 1);
    EXPECT_EQ(table.size(), 0u);
}

TEST(ProcessTable, WithoutEventsAPidIsCheckedAgainstProc) {
    const FakeProc proc;
    proc.add(90, 1, 1000, "one", "/bin/one");
    auto blind = options(proc);
    blind.has_events = false;
    ProcessTable table(blind);
    EXPECT_EQ(table.find(90, "one", FakeProc::utc(1100))->program->path, "/bin/one");
    proc.add(90, 1, 2000, "two", "/bin/two");
    EXPECT_EQ(table.find(90, "two", FakeProc::utc(2100))->program->path, "/bin/two");
    // Gone: what was known stays.
    proc.remove(90);
    EXPECT_EQ(table.find(90, "two", FakeProc::utc(2300))->program->path, "/bin/two");
}

TEST(ProcessTable, AfterLostEventsAPidIsCheckedOnce) {
    const FakeProc proc;
    proc.add(91, 1, 1000, "one", "/bin/one");
    ProcessTable table(options(proc));
    EXPECT_EQ(table.find(91, "one", FakeProc::utc(1100))->program->path, "/bin/one");
    proc.add(91, 1, 2000, "two", "/bin/two");
    EXPECT_EQ(table.find(91, "one", FakeProc::utc(2100))->program->path, "/bin/one");  // trusted: no event said otherwise
    table.distrust(FakeProc::utc(2100));
    EXPECT_EQ(table.find(91, "two", FakeProc::utc(2101))->program->path, "/bin/two");
}

TEST(ProcessTable, AProcessIsTheSameOneAfterTheClockWasSet) {
    const FakeProc proc;
    for (const auto& [by, starts_by] : {std::pair{-3600 * second, -3600 * second},
                                        {7 * second, 7 * second},
                                        {500 * second, int64_t{0}}}) {  // the machine has slept
        ProcessTable table(options(proc));
        const int64_t start = FakeProc::utc(1000);
        table.forked({.pid = 50, .parent_pid = 40, .start_ns = start, .comm = "sh"}, start);
        const auto process =
            table.executed({.pid = 50, .start_ns = start, .comm = "curl", .filename = "/usr/bin/curl"}, start + second);
        table.clock_stepped(by, starts_by);
        const int64_t now = start + by + 2 * second;
        EXPECT_EQ(table.exited({.pid = 50, .parent_pid = 1, .start_ns = start + starts_by, .comm = "curl"}, now), process);
        EXPECT_EQ(process->parent_pid, 40u);
        EXPECT_EQ(process->start_ns, start + starts_by);
        table.expire(now + 29 * second);
        EXPECT_EQ(table.size(), 1u);
        table.expire(now + 31 * second);
        EXPECT_EQ(table.size(), 0u);
    }
}

TEST(ProcessTable, WithoutAProcThatNumbersProcessesAlikeOnlyTheEventsSpeak) {
    ProcessTable::Options none;
    none.proc.clear();
    ProcessTable table(none);
    // This very process: whatever /proc says of its number is not asked.
    const auto found = table.find(static_cast<uint32_t>(getpid()), "somebody", FakeProc::utc(1u << 30));
    ASSERT_TRUE(found);
    EXPECT_EQ(found->program, nullptr);
    EXPECT_EQ(found->comm, "somebody");
    EXPECT_FALSE(table.prime(10, FakeProc::utc(1u << 30)));
    EXPECT_EQ(table.size(), 1u);
}

TEST(ProcessTable, PrimesInSteps) {
    const FakeProc proc;
    for (uint32_t pid = 1; pid <= 25; ++pid) proc.add(pid, 0, 100, "p", "/bin/p");
    ProcessTable table(options(proc));
    int steps = 1;
    while (table.prime(10, FakeProc::utc(200))) ++steps;
    EXPECT_EQ(steps, 3);
    EXPECT_EQ(table.size(), 25u);
}

TEST(ProcessTable, KnowsRealProcesses) {
    ProcessTable table({});
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    const int64_t time = now.tv_sec * second + now.tv_nsec;
    for (int i = 0; i < 20; ++i) {
        const pid_t child = ::fork();
        if (child == 0) {
            ::pause();
            ::_exit(0);
        }
        const auto found = table.find(static_cast<uint32_t>(child), {}, time + 10 * second);
        ::kill(child, SIGKILL);
        ::waitpid(child, nullptr, 0);
        ASSERT_TRUE(found && found->program);
        EXPECT_EQ(found->program->path, std::filesystem::read_symlink("/proc/self/exe"));
        EXPECT_EQ(found->parent_pid, static_cast<uint32_t>(::getpid()));
        EXPECT_LT(std::abs(found->start_ns - time), 60 * second);
    }
}

}  // namespace
}  // namespace cvf::context
