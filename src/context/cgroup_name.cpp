#include "context/cgroup_name.h"

#include <algorithm>

namespace cvf::context {

namespace {

bool is_hex(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

// A pod's uid: a UUID whose dashes systemd's names write as underscores, or the 32 hex digits of a static pod's hash.
std::string pod_uid(std::string_view text) {
    if (text.size() == 32 && std::all_of(text.begin(), text.end(), is_hex)) return std::string(text);
    if (text.size() != 36) return {};
    std::string uid(text);
    for (size_t i = 0; i < uid.size(); ++i) {
        if (i == 8 || i == 13 || i == 18 || i == 23) {
            if (uid[i] != '-' && uid[i] != '_') return {};
            uid[i] = '-';
        } else if (!is_hex(uid[i])) {
            return {};
        }
    }
    return uid;
}

Runtime runtime_of(std::string_view prefix) {
    if (prefix == "docker") return Runtime::docker;
    if (prefix == "cri-containerd" || prefix == "containerd" || prefix == "nerdctl") return Runtime::containerd;
    if (prefix == "crio") return Runtime::crio;
    if (prefix == "libpod") return Runtime::podman;
    return Runtime::unknown;
}

}  // namespace

std::string_view runtime_name(Runtime runtime) {
    switch (runtime) {
        case Runtime::docker:
            return "docker";
        case Runtime::containerd:
            return "containerd";
        case Runtime::crio:
            return "cri-o";
        case Runtime::podman:
            return "podman";
        case Runtime::unknown:
            break;
    }
    return {};
}

bool is_container_id(std::string_view text) {
    return text.size() == 64 && std::all_of(text.begin(), text.end(), is_hex);
}

CgroupName parse_cgroup_path(std::string_view path) {
    CgroupName found;
    std::string_view parent;
    while (!path.empty()) {
        const size_t end = std::min(path.find('/'), path.size());
        std::string_view part = path.substr(0, end);
        path.remove_prefix(std::min(end + 1, path.size()));
        if (part.empty()) continue;
        const std::string_view whole = part;

        // Pod: "podUID", or "kubepods-besteffort-podUID.slice"; a container of containerd may follow in the same part after a
        // colon.
        std::string_view pod = part.substr(0, part.find(':'));
        if (pod.ends_with(".slice")) pod.remove_suffix(6);
        const size_t dash = pod.find("-pod");
        if (pod.starts_with("kubepods") && dash != std::string_view::npos) {
            pod.remove_prefix(dash + 1);
        }
        if (pod.starts_with("pod")) {
            if (std::string uid = pod_uid(pod.substr(3)); !uid.empty()) found.pod_uid = std::move(uid);
        }

        // Container: an optional prefix, the id, an optional ".scope".
        if (part.ends_with(".scope")) part.remove_suffix(6);
        if (part.size() >= 64) {
            const std::string_view id = part.substr(part.size() - 64);
            std::string_view prefix = part.substr(0, part.size() - 64);
            const bool joined = prefix.ends_with('-') || prefix.ends_with(':');
            if (joined) prefix.remove_suffix(1);
            if (is_container_id(id) && (joined || prefix.empty()) && !prefix.ends_with("conmon")) {
                const size_t colon = prefix.rfind(':');
                if (colon != std::string_view::npos) prefix.remove_prefix(colon + 1);
                found.container_id = id;
                found.runtime = runtime_of(prefix.empty() ? parent : prefix);
            }
        }
        parent = whole;
    }
    return found;
}

}  // namespace cvf::context
