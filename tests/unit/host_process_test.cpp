#include "host/process.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <thread>

#include "context_fake_proc.h"
#include "host/hostname.h"

namespace cvf::host {
namespace {

using test::FakeProc;

TEST(Proc, TellsAboutThisVeryProcess) {
    const Proc proc;
    const auto self = static_cast<uint32_t>(::getpid());
    const auto stat = proc.stat(self);
    ASSERT_TRUE(stat);
    EXPECT_EQ(stat->parent_pid, static_cast<uint32_t>(::getppid()));
    EXPECT_EQ(stat->comm, "host_process_te");
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    EXPECT_LT(std::abs(stat->start_ns / 1'000'000'000 - now.tv_sec), 600);
    EXPECT_EQ(proc.executable(self), std::filesystem::read_symlink("/proc/self/exe"));
    EXPECT_NE(proc.command_line(self).find("host_process_test"), std::string::npos);
    struct stat net{};
    ASSERT_EQ(::stat("/proc/self/ns/net", &net), 0);
    EXPECT_EQ(proc.netns(self), net.st_ino);
    const auto pids = proc.list();
    EXPECT_NE(std::find(pids.begin(), pids.end(), self), pids.end());
    EXPECT_FALSE(hostname().empty());
}

TEST(Proc, ReadsStrangeNamesAndCgroups) {
    const FakeProc fake;
    fake.add(5, 3, 100, "a) S 9 (b", "/bin/x");
    const Proc proc(fake.path());
    EXPECT_EQ(proc.stat(5)->comm, "a) S 9 (b");
    EXPECT_EQ(proc.stat(5)->parent_pid, 3u);
    EXPECT_EQ(proc.stat(5)->start_ticks, 100u);
    EXPECT_EQ(proc.cgroup(5), "/test/5");
    fake.write("5/cgroup", "0::/\n");
    EXPECT_EQ(proc.cgroup(5), "/");
    fake.write("5/cgroup", "3:cpu:/a0::/b\n");
    EXPECT_EQ(proc.cgroup(5), "");
}

TEST(Proc, AProcessThatIsGoneOrBrokenIsAbsent) {
    const FakeProc fake;
    const Proc proc(fake.path());
    EXPECT_FALSE(proc.stat(6));
    EXPECT_EQ(proc.executable(6), "");
    EXPECT_EQ(proc.netns(6), 0u);
    EXPECT_EQ(proc.cgroup(6), "");
    for (const char* text :
         {"", "6", "6 (x", "6 (x) S", "6 )x( S 1", "6 (x) S 1 2 3", "6 (x) S one 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 5"}) {
        fake.write("6/stat", text);
        EXPECT_FALSE(proc.stat(6)) << text;
    }
}

TEST(Proc, NumbersProcessesAsTheKernelDoesInTheFirstPidNamespaceAlone) {
    test::Folder root;
    std::filesystem::create_directories(root.path() + "/self/ns");
    std::filesystem::create_directories(root.path() + "/1/ns");
    EXPECT_FALSE(numbers_as_the_kernel(root.path()));
    std::filesystem::create_symlink("pid:[4026532300]", root.path() + "/self/ns/pid");
    std::filesystem::create_symlink("pid:[4026532300]", root.path() + "/1/ns/pid");
    EXPECT_FALSE(numbers_as_the_kernel(root.path()));
    std::filesystem::remove(root.path() + "/1/ns/pid");  // the machine's, mounted for a container
    std::filesystem::create_symlink("pid:[4026531836]", root.path() + "/1/ns/pid");
    EXPECT_TRUE(numbers_as_the_kernel(root.path()));
}

TEST(ReadFile, TakesRegularFilesOfBoundedSizeAlone) {
    const test::Folder folder;
    folder.write("a", "12345");
    EXPECT_EQ(read_file(folder.path() + "/a", 5), "12345");
    EXPECT_FALSE(read_file(folder.path() + "/a", 4));
    EXPECT_FALSE(read_file(folder.path() + "/none", 5));
    EXPECT_FALSE(read_file(folder.path(), 5));
    std::filesystem::create_symlink(folder.path() + "/a", folder.path() + "/link");
    EXPECT_FALSE(read_file(folder.path() + "/link", 5));
    ASSERT_EQ(::mkfifo((folder.path() + "/pipe").c_str(), 0600), 0);
    EXPECT_FALSE(read_file(folder.path() + "/pipe", 5));
}

}  // namespace
}  // namespace cvf::host
