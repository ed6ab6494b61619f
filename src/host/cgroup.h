// The cgroup v2 tree of this machine: its root (mounted privately where nobody has mounted it; from within a cgroup namespace the
// first process's, where that can be reached, else the namespace's own root), and the way between a cgroup's id and its path. A
// cgroup's id is what the kernel's BPF helpers give, and the inode of its directory.
//
// A CgroupTree owns its descriptors; a private mount hangs on them alone and vanishes with the process. Thread rule: calls may
// come from any thread. Errors are one line a person can act on.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <vector>

namespace cvf::host {

class CgroupTree {
 public:
    // `directory`: the sub-tree to take; empty: all there is.
    static std::expected<CgroupTree, std::string> open(const std::string& directory = {});
    CgroupTree(CgroupTree&& other) noexcept;
    CgroupTree& operator=(CgroupTree&& other) noexcept;
    CgroupTree(const CgroupTree&) = delete;
    ~CgroupTree();

    int fd() const { return fd_; }  // of the directory taken
    uint64_t id() const { return id_; }
    bool is_root() const { return is_root_; }        // of the machine's whole tree
    bool is_private() const { return is_private_; }  // mounted by us
    // "/kubepods/…", from the root of the tree (or of the namespace); "/" for the root itself. Nothing: no such cgroup (any
    // more).
    std::optional<std::string> path_of(uint64_t id) const;
    // All cgroups of the sub-tree, itself first.
    std::vector<uint64_t> ids() const;

 private:
    CgroupTree() = default;
    int root_ = -1, fd_ = -1;
    uint64_t id_ = 0;
    bool is_root_ = true, is_private_ = false;
    std::string prefix_;  // where the root is mounted
};

}  // namespace cvf::host
