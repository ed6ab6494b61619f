#include "host/cgroup.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <functional>
#include <string>

namespace cvf::host {
namespace {

// A child that runs `inside` as a container would: in a cgroup and a cgroup namespace of its own, where `place` shows the tree.
// What it returned; -1: this machine lets nobody make such.
int contained(const std::function<int(const std::string& place)>& inside) {
    char place[] = "/tmp/cvf-cgroup-XXXXXX";
    if (!::mkdtemp(place)) return -1;
    const std::string path = place, name = path + "/cvf-test-" + std::to_string(::getpid());
    const pid_t child = ::fork();
    if (child == 0) {
        if (::unshare(CLONE_NEWNS) != 0 || ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
            ::mount("none", place, "cgroup2", 0, nullptr) != 0 || ::mkdir(name.c_str(), 0755) != 0)
            ::_exit(99);
        std::ofstream(name + "/cgroup.procs") << ::getpid();
        // Nothing of the machine's tree is left in sight.
        std::ifstream mounts("/proc/self/mounts");
        std::string device, point, type, rest;
        while (mounts >> device >> point >> type && std::getline(mounts, rest))
            if (type == "cgroup2") ::umount2(point.c_str(), MNT_DETACH);
        if (::unshare(CLONE_NEWCGROUP) != 0 || ::mount("none", place, "cgroup2", 0, nullptr) != 0) ::_exit(99);
        ::_exit(inside(path));
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    if (auto tree = CgroupTree::open()) {
        // The cgroup is empty now; its directory is taken away through the tree's own descriptor.
        ::unlinkat(tree->fd(), name.substr(path.size() + 1).c_str(), AT_REMOVEDIR);
    }
    ::rmdir(place);
    return WIFEXITED(status) && WEXITSTATUS(status) != 99 ? WEXITSTATUS(status) : -1;
}

TEST(CgroupTree, a_directory_of_another_kind_is_refused_with_what_to_do) {
    if (!CgroupTree::open()) GTEST_SKIP() << "no cgroup v2 tree can be opened here";
    const auto tree = CgroupTree::open("/proc");
    ASSERT_FALSE(tree);
    EXPECT_EQ(tree.error(), "/proc is no cgroup v2 directory: `findmnt -t cgroup2` shows where those are");
}

TEST(CgroupTree, what_a_cgroup_namespace_shows_as_the_root_is_not_taken_for_the_machines) {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root to make a cgroup namespace";
    const int said = contained([](const std::string& place) {
        const auto tree = CgroupTree::open();
        const auto own = CgroupTree::open(place);
        if (!tree || !own) return 1;
        if (own->is_root() || own->id() == 1 || own->ids().empty()) return 2;
        // By way of the first process the machine's can be reached, where one may look at that.
        if (::access("/proc/1/root/", X_OK) != 0) return !tree->is_root() && tree->id() == own->id() ? 0 : 3;
        if (!tree->is_root() || tree->path_of(1) != "/") return 4;
        const auto path = tree->path_of(own->id());
        return path && path->starts_with("/cvf-test-") ? 0 : 5;
    });
    if (said < 0) GTEST_SKIP() << "this machine lets nobody make a cgroup, or a namespace of them";
    EXPECT_EQ(said, 0);
}

}  // namespace
}  // namespace cvf::host
