#include "host/cgroup.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
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
// The root of the machine's tree: the kernel numbers its cgroups from there.
constexpr uint64_t root_of_all = 1;

uint64_t inode(int fd) {
    struct stat s{};
    return fstat(fd, &s) == 0 ? s.st_ino : 0;
}

// The root of a cgroup2 tree as `process` has it mounted ("self", or "1": the machine's first); -1: it has not. `whole`: of the
// machine's tree; else what a cgroup namespace shows as one.
int mounted_root(const std::string& process, bool whole) {
    // mountinfo: id parent dev root mount-point options [tags] - type source options.
    std::ifstream in("/proc/" + process + "/mountinfo");
    const std::string before = process == "self" ? std::string() : "/proc/" + process + "/root";
    std::string line;
    while (std::getline(in, line)) {
        std::istringstream words(line);
        std::string id, parent, device, root, point, word, type;
        words >> id >> parent >> device >> root >> point;
        while (words >> word && word != "-") {
        }
        words >> type;
        // Seen from within a namespace the machine's root has no path, so its number tells.
        if (type != "cgroup2" || (!whole && root != "/")) continue;
        const int fd = ::open((before + point).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd >= 0 && (!whole || inode(fd) == root_of_all)) return fd;
        if (fd >= 0) close(fd);
    }
    return -1;
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
    t.root_ = mounted_root("self", true);
    if (t.root_ < 0) t.root_ = mounted_root("1", true);
    if (t.root_ < 0) t.root_ = mounted_root("self", false);
    if (t.root_ < 0) {
        t.root_ = private_root();
        t.is_private_ = true;
    }
    if (t.root_ < 0) return std::unexpected(fmt::format("cannot mount the cgroup v2 tree: {}", std::strerror(errno)));
    t.prefix_ = link_of(t.root_);
    if (t.prefix_ == "/") t.prefix_.clear();
    if (directory.empty()) {
        t.fd_ = t.root_;
    } else {
        t.fd_ = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (t.fd_ < 0) return std::unexpected(fmt::format("cannot open the cgroup {}: {}", directory, std::strerror(errno)));
        struct statfs of{};
        if (fstatfs(t.fd_, &of) != 0 || of.f_type != CGROUP2_SUPER_MAGIC)
            return std::unexpected(
                fmt::format("{} is no cgroup v2 directory: `findmnt -t cgroup2` shows where those are", directory));
    }
    t.id_ = inode(t.fd_);
    t.is_root_ = t.id_ == root_of_all;
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
