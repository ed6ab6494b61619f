// Asks the container runtimes of this machine about a container. Blocking: for the helper thread, never for the data path.
//
// Docker (and Podman's API of the same shape) by HTTP over its unix socket, with Docker's own files as the second way; containerd
// by the bundle of its shim; CRI-O and Podman by the bundle and index of containers/storage. Places are parameters, so that tests
// and agents in containers can name their own. Files are read only when they are regular, not links, and of bounded size.
//
// Thread rule: no shared state; any thread. Errors: std::nullopt; what no runtime knows is unknown.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "context/container.h"

namespace cvf::context {

struct RuntimePaths {
    std::string docker_socket = "/run/docker.sock";
    std::string podman_socket = "/run/podman/podman.sock";
    std::string docker_folder = "/var/lib/docker";
    std::vector<std::string> containerd_folders = {"/run/containerd/io.containerd.runtime.v2.task",
                                                   "/run/k3s/containerd/io.containerd.runtime.v2.task"};
    std::string storage_run_folder = "/run/containers/storage";  // containers/storage: CRI-O's bundles
    std::string storage_folder = "/var/lib/containers/storage";  // its index, and Podman's bundles

    // The same places below another root.
    RuntimePaths below(const std::string& root) const;
};

// `id` must be a container id (is_container_id); `runtime` is what the cgroup's name said.
std::optional<Container> ask_runtimes(const RuntimePaths& paths, std::string_view id, Runtime runtime);

}  // namespace cvf::context
