#include "host/cgroup.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstring>
#include <fstream>
#include <sstream>
#include <utility>

namespace cvf::host {

namespace {

// Constants of <linux/mount.h>, which cannot be included beside <sys/mount.h> with older libraries.
constexpr unsigned fsopen_cloexec = 1, fsmount_cloexec = 1, fsconfig_cmd_create = 6;
// FILEID_KERNFS of <linux/exportfs.h>: the handle is the node's 64-bit id.
constexpr int fileid_kernfs = 0xfe;

// Where a whole cgroup2 tree is mounted. mountinfo: id parent dev root mount-point options [tags] - type source options.
std::string mounted_root() {
    std::ifstream in("/proc/self/mountinfo");
    std::string line;
    while (std::getline(in, line)) {
        std::istringstream words(line);
        std::string id, parent, device, root, point, word, type;
        words >> id >> parent >> device >> root >> point;
        while (words >> word && word != "-") {
        }
        words >> type;
        if (type == "cgroup2" && root == "/" && access(point.c_str(), R_OK) == 0) return point;
    }
    return {};
}

int private_root() {
    int context = static_cast<int>(syscall(SYS_fsopen, "cgroup2", fsopen_cloexec));
    if (context < 0) return -1;
    int mount = -1, root = -1;
    if (syscall(SYS_fsconfig, context, fsconfig_cmd_create, nullptr, nullptr, 0) == 0)
        mount = static_cast<int>(syscall(SYS_fsmount, context, fsmount_cloexec, 0));
    int error = errno;
    if (mount >= 0) {
        root = openat(mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        error = errno;
        close(mount);
    }
    close(context);
    errno = error;
    return root;
}

uint64_t inode(int fd) {
    struct stat s{};
    return fstat(fd, &s) == 0 ? s.st_ino : 0;
}

std::string link_of(int fd) {
    char path[PATH_MAX];
    ssize_t n = readlink(fmt::format("/proc/self/fd/{}", fd).c_str(), path, sizeof path);
    return n > 0 ? std::string(path, static_cast<size_t>(n)) : std::string();
}

void collect(int directory, std::vector<uint64_t>& ids) {
    ids.push_back(inode(directory));
    DIR* d = fdopendir(directory);  // takes the descriptor over; it stays open until closedir()
    if (!d) {
        close(directory);
        return;
    }
    while (const dirent* e = readdir(d)) {
        if (e->d_type != DT_DIR || e->d_name[0] == '.') continue;
        int child = openat(directory, e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (child >= 0) collect(child, ids);
    }
    closedir(d);
}

}  // namespace

std::expected<CgroupTree, std::string> CgroupTree::open(const std::string& directory) {
    CgroupTree t;
    std::string point = mounted_root();
    if (!point.empty()) {
        t.root_ = ::open(point.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    } else {
        t.root_ = private_root();
        t.is_private_ = true;
    }
    if (t.root_ < 0)
        return std::unexpected(
            fmt::format("cannot {} the cgroup v2 tree: {}", point.empty() ? "mount" : "open", std::strerror(errno)));
    t.prefix_ = link_of(t.root_);
    if (t.prefix_ == "/") t.prefix_.clear();
    if (directory.empty()) {
        t.fd_ = t.root_;
    } else {
        t.fd_ = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (t.fd_ < 0) return std::unexpected(fmt::format("cannot open the cgroup {}: {}", directory, std::strerror(errno)));
        t.is_root_ = inode(t.fd_) == inode(t.root_);
    }
    t.id_ = inode(t.fd_);
    return t;
}

CgroupTree::CgroupTree(CgroupTree&& other) noexcept {
    *this = std::move(other);
}

CgroupTree& CgroupTree::operator=(CgroupTree&& other) noexcept {
    std::swap(root_, other.root_);
    std::swap(fd_, other.fd_);
    std::swap(id_, other.id_);
    std::swap(is_root_, other.is_root_);
    std::swap(is_private_, other.is_private_);
    std::swap(prefix_, other.prefix_);
    return *this;
}

CgroupTree::~CgroupTree() {
    if (fd_ >= 0 && fd_ != root_) close(fd_);
    if (root_ >= 0) close(root_);
}

std::optional<std::string> CgroupTree::path_of(uint64_t id) const {
    alignas(file_handle) unsigned char space[sizeof(file_handle) + sizeof id];
    auto* handle = reinterpret_cast<file_handle*>(space);
    handle->handle_bytes = sizeof id;
    handle->handle_type = fileid_kernfs;
    std::memcpy(space + sizeof(file_handle), &id, sizeof id);
    int fd = open_by_handle_at(root_, handle, O_PATH | O_CLOEXEC);
    if (fd < 0) return std::nullopt;
    std::string path = link_of(fd);
    close(fd);
    if (path.ends_with(" (deleted)") || path.compare(0, prefix_.size(), prefix_) != 0) return std::nullopt;
    path.erase(0, prefix_.size());
    return path.empty() ? "/" : path;
}

std::vector<uint64_t> CgroupTree::ids() const {
    std::vector<uint64_t> ids;
    int directory = openat(fd_, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory >= 0) collect(directory, ids);
    return ids;
}

}  // namespace cvf::host
