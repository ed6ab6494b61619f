#include "context/cgroup_name.h"

#include <gtest/gtest.h>

namespace cvf::context {
namespace {

const std::string id(64, 'a');
const std::string other = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const std::string uid = "6a1fe3d2-1c2b-4d5e-8f90-a1b2c3d4e5f6";
const std::string uid_underscored = "6a1fe3d2_1c2b_4d5e_8f90_a1b2c3d4e5f6";

struct Case {
    std::string path;
    std::string container;
    std::string pod;
    Runtime runtime;
};

TEST(CgroupName, NamesTheContainerAndPodOfEveryRuntimesLayout) {
    const Case cases[] = {
        {"/system.slice/docker-" + id + ".scope", id, "", Runtime::docker},
        {"/docker/" + id, id, "", Runtime::docker},
        {"/docker/" + id + "/init", id, "", Runtime::docker},
        {"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + uid_underscored + ".slice/cri-containerd-" + id +
             ".scope",
         id, uid, Runtime::containerd},
        {"/kubepods.slice/kubepods-pod" + uid_underscored + ".slice/crio-" + id + ".scope", id, uid, Runtime::crio},
        {"/kubepods/besteffort/pod" + uid + "/" + id, id, uid, Runtime::unknown},
        {"/kubepods/pod0123456789abcdef0123456789abcdef/" + id, id, "0123456789abcdef0123456789abcdef", Runtime::unknown},
        {"/system.slice/containerd.service/kubepods-burstable-pod" + uid_underscored + ".slice:cri-containerd:" + id, id, uid,
         Runtime::containerd},
        {"/libpod_parent/libpod-" + id, id, "", Runtime::podman},
        {"/machine.slice/libpod-" + id + ".scope/container", id, "", Runtime::podman},
        {"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" + id + ".scope", id, "", Runtime::podman},
        {"/default/" + id, id, "", Runtime::unknown},
        // A node that is itself a container: the innermost counts.
        {"/docker/" + other + "/kubelet.slice/kubelet-kubepods.slice/cri-containerd-" + id + ".scope", id, "",
         Runtime::containerd},
    };
    for (const Case& c : cases) {
        const CgroupName name = parse_cgroup_path(c.path);
        EXPECT_EQ(name.container_id, c.container) << c.path;
        EXPECT_EQ(name.pod_uid, c.pod) << c.path;
        EXPECT_EQ(name.runtime, c.runtime) << c.path;
    }
}

TEST(CgroupName, TakesNothingForAContainerThatIsNot) {
    for (const std::string& path :
         {std::string(), std::string("/"), std::string("/system.slice/nginx.service"), "/docker/" + id.substr(1),
          "/docker/" + id + "a", "/machine.slice/libpod-conmon-" + id + ".scope", "/crio-conmon-" + id + ".scope",
          "/docker/" + std::string(64, 'A'), "/docker/" + std::string(64, 'g'), "/process_api/" + id.substr(32),
          std::string("/kubepods/podnotauid"), "/x" + id}) {
        const CgroupName name = parse_cgroup_path(path);
        EXPECT_EQ(name.container_id, "") << path;
        EXPECT_EQ(name.pod_uid, "") << path;
    }
}

}  // namespace
}  // namespace cvf::context
