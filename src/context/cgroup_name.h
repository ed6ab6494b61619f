// What the path of a cgroup says: the container's id, the pod's uid, and sometimes the runtime.
//
// Runtimes put a container into a cgroup named after its id: docker-ID.scope, cri-containerd-ID.scope, crio-ID.scope,
// libpod-ID[.scope], nerdctl-ID.scope, or the bare ID below docker/, kubepods/…/podUID/ or a containerd namespace; ID is 64
// lower-case hex digits. Shorter or free-form names are not taken, for a folder can have any name: unknown is absent. Of nested
// containers the innermost counts. Monitors (libpod-conmon-ID, crio-conmon-ID) live outside the container and are not it.
//
// A pure function of foreign text. Views point into `path`.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace cvf::context {

enum class Runtime : uint8_t { unknown, docker, containerd, crio, podman };

// "docker", "containerd", "cri-o", "podman"; empty for unknown.
std::string_view runtime_name(Runtime runtime);

struct CgroupName {
    std::string_view container_id;  // empty: not in a container
    std::string pod_uid;            // with dashes, as Kubernetes writes it; empty: not in a pod
    Runtime runtime = Runtime::unknown;
};

CgroupName parse_cgroup_path(std::string_view path);

// 64 lower-case hex digits: what Docker, containerd's CRI, CRI-O and Podman call a container. Safe as part of a file name or a
// URL.
bool is_container_id(std::string_view text);

}  // namespace cvf::context
