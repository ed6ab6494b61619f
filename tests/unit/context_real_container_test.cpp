// The whole chain on a real container: runc's cgroup, the kernel's id of it, /proc, and the bundle as containerd keeps it.
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "context/owner_table.h"
#include "context_fake_proc.h"
#include "host/cgroup.h"

extern char** environ;

namespace cvf::context {
namespace {

using record::Field;
const std::string id = "c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee0000000001";

int run(std::vector<std::string> words) {
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    pid_t child = 0;
    int status = -1;
    if (::posix_spawnp(&child, argv[0], nullptr, nullptr, argv.data(), environ) != 0) return -1;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

std::string found_in(std::initializer_list<const char*> places) {
    for (const char* place : places)
        if (::access(place, X_OK) == 0) return place;
    return {};
}

std::string text(const record::FieldSet* set, Field field) {
    const record::Value* value = set ? set->find(field) : nullptr;
    return value ? std::string(value->as_text()) : std::string("(absent)");
}

TEST(RealContainer, IsNamedByItsCgroupAndItsBundle) {
    const std::string runc = found_in({"/usr/sbin/runc", "/usr/bin/runc"});
    const std::string busybox = found_in({"/usr/bin/busybox", "/bin/busybox"});
    if (::geteuid() != 0 || runc.empty() || busybox.empty()) GTEST_SKIP() << "needs root, runc and busybox";
    const auto tree = host::CgroupTree::open();
    if (!tree) GTEST_SKIP() << tree.error();

    const test::Folder root;
    const std::string folder = root.path() + "/run/containerd/io.containerd.runtime.v2.task/k8s.io/" + id;
    std::filesystem::create_directories(folder + "/rootfs/bin");
    for (const char* name : {"proc", "dev", "sys"}) std::filesystem::create_directories(folder + "/rootfs/" + name);
    std::filesystem::copy_file(busybox, folder + "/rootfs/bin/busybox");
    std::ofstream(folder + "/config.json")
        << R"({"ociVersion":"1.0.2","process":{"terminal":false,"user":{"uid":5,"gid":6},"cwd":"/",
        "args":["/bin/busybox","sleep","60"],"env":["PATH=/bin"]},"root":{"path":"rootfs","readonly":true},"hostname":"test",
        "mounts":[{"destination":"/proc","type":"proc","source":"proc"}],
        "annotations":{"io.kubernetes.cri.sandbox-name":"web-1","io.kubernetes.cri.sandbox-namespace":"shop",
            "io.kubernetes.cri.container-name":"web","io.kubernetes.cri.image-name":"example/web:7"},
        "linux":{"cgroupsPath":"/cvf-test/pod6a1fe3d2-1c2b-4d5e-8f90-a1b2c3d4e5f6/)"
        << id << R"(","resources":{},
            "namespaces":[{"type":"pid"},{"type":"mount"},{"type":"uts"},{"type":"network"}]}})";
    const std::string state = root.path() + "/runc";
    const auto remove = [&] { run({runc, "--root", state, "delete", "--force", id}); };
    if (run({runc, "--root", state, "run", "--detach", "--bundle", folder, "--pid-file", root.path() + "/pid", id}) != 0) {
        remove();
        GTEST_SKIP() << "runc cannot run a container on this machine";
    }
    uint32_t pid = 0;
    std::ifstream(root.path() + "/pid") >> pid;

    const host::Proc proc;
    uint64_t cgroup_id = 0;
    for (const uint64_t one : tree->ids())
        if (const auto path = tree->path_of(one); path && path->ends_with(id)) cgroup_id = one;
    const uint32_t netns = proc.netns(pid);

    timespec clock{};
    ::clock_gettime(CLOCK_REALTIME, &clock);
    int64_t now = clock.tv_sec * 1'000'000'000 + clock.tv_nsec;
    OwnerTable::Options options;
    options.cgroup_path = [&](uint64_t cgroup) { return tree->path_of(cgroup); };
    options.runtimes = RuntimePaths{}.below(root.path());
    OwnerTable table(options);
    const OwnerRef owner =
        table.find({.pid = pid, .uid = 5, .gid = 6, .cgroup_id = cgroup_id, .netns = netns, .comm = "busybox"}, now);
    for (int i = 0; i < 200 && text(table.fields(owner, End::source), Field::source_container_name) != "web"; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
        table.poll(now += 10'000'000);
    }
    remove();
    std::filesystem::path pod = "/sys/fs/cgroup";  // runc leaves the folders above the container
    for (const auto& mount : {pod / "unified", pod}) {
        std::error_code ignored;
        std::filesystem::remove(mount / "cvf-test/pod6a1fe3d2-1c2b-4d5e-8f90-a1b2c3d4e5f6", ignored);
        std::filesystem::remove(mount / "cvf-test", ignored);
    }
    for (const auto& controller : std::filesystem::directory_iterator(pod)) {
        std::error_code ignored;
        std::filesystem::remove(controller.path() / "cvf-test/pod6a1fe3d2-1c2b-4d5e-8f90-a1b2c3d4e5f6", ignored);
        std::filesystem::remove(controller.path() / "cvf-test", ignored);
    }

    ASSERT_NE(cgroup_id, 0u) << "the container is not in the v2 tree";
    const auto* fields = table.fields(owner, End::source);
    EXPECT_EQ(text(fields, Field::source_container_id), id);
    EXPECT_EQ(text(fields, Field::source_container_runtime), "containerd");
    EXPECT_EQ(text(fields, Field::source_container_image), "example/web");
    EXPECT_EQ(text(fields, Field::source_pod_name), "web-1");
    EXPECT_EQ(text(fields, Field::source_pod_namespace), "shop");
    EXPECT_EQ(text(fields, Field::source_pod_uid), "6a1fe3d2-1c2b-4d5e-8f90-a1b2c3d4e5f6");
    EXPECT_EQ(text(fields, Field::source_process_path), "/bin/busybox");  // in its own mount namespace
    EXPECT_EQ(text(fields, Field::source_netns_name), "web");
    EXPECT_NE(netns, proc.netns(static_cast<uint32_t>(::getpid())));
}

}  // namespace
}  // namespace cvf::context
