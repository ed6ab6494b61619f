#include "context/runtimes.h"

#include <dirent.h>
#include <sys/stat.h>

#include <chrono>
#include <memory>

#include "host/process.h"
#include "http/client.h"

namespace cvf::context {

namespace {

constexpr int max_containerd_namespaces = 64;
// Storage drivers name their folders: overlay-containers, vfs-containers, …
constexpr const char* storage_drivers[] = {"overlay", "vfs", "btrfs", "zfs"};

std::optional<Container> ask_api(const std::string& socket, std::string_view id, Runtime runtime) {
    // Only a socket that is there is asked; a file or nothing is the runtime's absence.
    struct stat about{};
    if (socket.empty() || ::stat(socket.c_str(), &about) != 0 || !S_ISSOCK(about.st_mode)) return std::nullopt;
    http::Limits limits;
    limits.timeout = std::chrono::milliseconds(2000);
    limits.body_bytes = max_document_bytes;
    const auto answer = http::get("unix:" + socket, "/containers/" + std::string(id) + "/json", limits);
    if (!answer || answer->status != 200) return std::nullopt;
    return parse_docker_container(answer->body, runtime);
}

std::optional<Container> ask_docker(const RuntimePaths& paths, std::string_view id) {
    if (auto found = ask_api(paths.docker_socket, id, Runtime::docker)) return found;
    const auto text =
        host::read_file(paths.docker_folder + "/containers/" + std::string(id) + "/config.v2.json", max_document_bytes);
    return text ? parse_docker_container(*text) : std::nullopt;
}

// containerd keeps one folder per namespace ("k8s.io", "default", "moby") with one per container in it.
std::optional<Container> ask_containerd(const std::string& folder, std::string_view id) {
    const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(folder.c_str()), ::closedir);
    if (!directory) return std::nullopt;
    for (int seen = 0; seen < max_containerd_namespaces;) {
        const dirent* entry = ::readdir(directory.get());
        if (!entry) break;
        if (entry->d_name[0] == '.') continue;
        ++seen;
        const std::string_view name = entry->d_name;
        const auto text =
            host::read_file(folder + '/' + entry->d_name + '/' + std::string(id) + "/config.json", max_document_bytes);
        if (!text) continue;
        auto found = parse_oci_config(*text);
        if (found && found->runtime == Runtime::unknown) found->runtime = name == "moby" ? Runtime::docker : Runtime::containerd;
        return found;
    }
    return std::nullopt;
}

// CRI-O keeps its bundles in the run folder, Podman (4.3, seen) in the storage folder beside the index.
std::optional<Container> ask_storage(const RuntimePaths& paths, std::string_view id) {
    for (const std::string driver : storage_drivers) {
        const std::string folder = '/' + driver + "-containers/";
        std::optional<Container> found;
        for (const std::string& place : {paths.storage_run_folder, paths.storage_folder}) {
            const auto text = host::read_file(place + folder + std::string(id) + "/userdata/config.json", max_document_bytes);
            if (text && !found) found = parse_oci_config(*text);
        }
        const auto text = host::read_file(paths.storage_folder + folder + "containers.json", max_document_bytes);
        auto listed = text ? parse_storage_containers(*text, id) : std::nullopt;
        if (found && listed) merge(*found, std::move(*listed));
        if (!found) found = std::move(listed);
        if (found) return found;
    }
    return std::nullopt;
}

}  // namespace

RuntimePaths RuntimePaths::below(const std::string& root) const {
    RuntimePaths moved = *this;
    for (std::string* path :
         {&moved.docker_socket, &moved.podman_socket, &moved.docker_folder, &moved.storage_run_folder, &moved.storage_folder})
        path->insert(0, root);
    for (std::string& path : moved.containerd_folders) path.insert(0, root);
    return moved;
}

std::optional<Container> ask_runtimes(const RuntimePaths& paths, std::string_view id, Runtime runtime) {
    if (!is_container_id(id)) return std::nullopt;
    std::optional<Container> found;
    const auto add = [&found](std::optional<Container>&& more) {
        if (found && more) {
            merge(*found, std::move(*more));
        } else if (more) {
            found = std::move(more);
        }
    };
    const bool any = runtime == Runtime::unknown;
    if (any || runtime == Runtime::docker) add(ask_docker(paths, id));
    if (!found && (any || runtime == Runtime::crio || runtime == Runtime::podman)) {
        add(ask_storage(paths, id));
        // Podman keeps labels in its database alone; its API tells them where it is served.
        if (runtime == Runtime::podman || (found && found->runtime == Runtime::podman))
            add(ask_api(paths.podman_socket, id, Runtime::podman));
    }
    if (!found && (any || runtime == Runtime::containerd || runtime == Runtime::docker)) {
        for (const std::string& folder : paths.containerd_folders)
            if (!found) add(ask_containerd(folder, id));
    }
    // What the cgroup's name said is the runtime's own doing; a bundle need not say it.
    if (found && found->runtime == Runtime::unknown) found->runtime = runtime;
    return found;
}

}  // namespace cvf::context
