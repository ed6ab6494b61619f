#include "host/netns.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <stdexcept>

namespace cvf::host {
namespace {

uint32_t here() {
    return netns_id("/proc/thread-self/ns/net");
}

TEST(Netns, KnowsTheHostsAndRefusesOtherFiles) {
    EXPECT_EQ(here(), netns_id("/proc/self/ns/net"));
    EXPECT_NE(here(), 0u);
    EXPECT_EQ(netns_id("/etc/passwd"), 0u);
    EXPECT_EQ(netns_id("/nowhere"), 0u);
    const auto missing = NetnsThread::enter("/nowhere");
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error(), "cannot open network namespace /nowhere: No such file or directory");
    EXPECT_FALSE(NetnsThread::enter("/etc/passwd"));
}

TEST(Netns, AThreadWorksInsideAndTheOthersStay) {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root to make a network namespace";
    int ready[2];
    ASSERT_EQ(::pipe(ready), 0);
    const pid_t child = ::fork();
    if (child == 0) {
        const char made = ::unshare(CLONE_NEWNET) == 0 ? 'y' : 'n';
        if (::write(ready[1], &made, 1) == 1) ::pause();
        ::_exit(0);
    }
    char made = 0;
    ASSERT_EQ(::read(ready[0], &made, 1), 1);
    ::close(ready[0]);
    ::close(ready[1]);
    const std::string path = "/proc/" + std::to_string(child) + "/ns/net";
    const uint32_t theirs = netns_id(path), ours = here();
    uint32_t inside = 0;
    bool thrown = false, listed = false;
    if (made == 'y') {
        const auto thread = NetnsThread::enter(path);
        ASSERT_TRUE(thread) << thread.error();
        (*thread)->run([&] { inside = here(); });
        try {
            (*thread)->run([] { throw std::runtime_error("from inside"); });
        } catch (const std::runtime_error&) {
            thrown = true;
        }
        const auto all = list_netns();
        listed = std::any_of(all.begin(), all.end(), [&](const Netns& one) { return one.id == theirs && one.name.empty(); });
    }
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    if (made != 'y') GTEST_SKIP() << "this machine lets nobody make a network namespace";
    EXPECT_NE(theirs, ours);
    EXPECT_EQ(inside, theirs);
    EXPECT_EQ(here(), ours);
    EXPECT_TRUE(thrown);
    EXPECT_TRUE(listed);
}

}  // namespace
}  // namespace cvf::host
