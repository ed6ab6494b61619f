// What a container is: its name, image and labels, and its place in Kubernetes, read from what its runtime wrote.
//
// The documents are foreign input: JSON of bounded size and depth, every text bounded. Over-long texts are left out rather than
// cut, for a cut name is another name. Pure functions; no errors but absence. Sources: OCI runtime-spec config.md (annotations);
// containerd pkg/cri annotations; CRI-O's annotations; Docker Engine API v1.41, ContainerInspect; containers/storage
// containers.json.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "context/cgroup_name.h"

namespace cvf::context {

inline constexpr size_t max_document_bytes = 4 * 1024 * 1024;
inline constexpr size_t max_labels = 64;
inline constexpr size_t max_label_key_bytes = 317;  // prefix/name as Kubernetes allows
inline constexpr size_t max_label_value_bytes = 1024;
inline constexpr size_t max_name_bytes = 512;

struct Container {
    std::string name{};
    std::string image{};  // without the tag
    std::vector<std::string> tags{};
    std::vector<std::pair<std::string, std::string>> labels{};  // sorted by key
    Runtime runtime = Runtime::unknown;
    std::string pod_name{}, pod_uid{}, pod_namespace{}, k8s_container_name{};

    bool operator==(const Container&) const = default;
};

// Fills what is absent in `container` from `more`.
void merge(Container& container, Container&& more);

// An image reference in its parts: "registry:5000/a/b:1.2@sha256:…" is name "registry:5000/a/b" and tag "1.2". An id is no name.
struct ImageName {
    std::string_view name, tag;  // empty: none
};
ImageName split_image(std::string_view reference);

// config.json of an OCI bundle, from its annotations; std::nullopt when it is not such a document.
std::optional<Container> parse_oci_config(std::string_view json);
// The answer of GET /containers/ID/json, and config.v2.json below Docker's folder, which has the same shape where it matters.
// `runtime` is docker, or podman for the same API of Podman.
std::optional<Container> parse_docker_container(std::string_view json, Runtime runtime = Runtime::docker);
// containers.json of containers/storage (Podman, CRI-O): the entry with this id.
std::optional<Container> parse_storage_containers(std::string_view json, std::string_view id);

}  // namespace cvf::context
