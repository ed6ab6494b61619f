// Network namespaces: which there are, what they are called, and how to work inside one.
//
// A namespace is known by its inode (what /proc/PID/ns/net shows). Names come from the bind mounts people and runtimes make:
// every file in /run/netns (ip-netns(8), CNI, Podman) and in /run/docker/netns. Those folders are writable by root alone, yet
// entries are only stat'ed, and only names of at most 255 bytes of files on the kernel's nsfs count.
//
// Thread rule: list and names on any thread. NetnsThread owns a thread of its own, for setns(2) changes the calling thread.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <expected>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "host/process.h"

namespace cvf::host {

struct Netns {
    uint32_t id = 0;   // inode
    std::string name;  // "host", or the file's name; empty when it has none
    std::string path;  // something to open: the named file or /proc/PID/ns/net
};

struct NetnsPaths {
    std::string proc = "/proc";
    std::vector<std::string> named = {"/run/netns", "/var/run/netns", "/run/docker/netns"};
    bool only_nsfs = true;  // tests with plain files set this to false
};

// Inode of a namespace file; 0 when it is none.
uint32_t netns_id(const std::string& path, bool only_nsfs = true);

// The host's namespace (that of process 1) and those with a name; the first name in the order of `named` wins. At most `limit`
// entries.
std::vector<Netns> named_netns(const NetnsPaths& paths = {}, size_t limit = 4096);

// All of named_netns, then those that only processes hold. Walks /proc: milliseconds on a busy machine, so not for the data path.
std::vector<Netns> list_netns(const NetnsPaths& paths = {}, size_t limit = 4096);

// A thread that lives in one network namespace. run() hands it a piece of work and waits; the thread ends with the object.
class NetnsThread {
 public:
    // Enters the namespace that `path` names. The error is one line: what could not be opened or entered, and why.
    static std::expected<std::unique_ptr<NetnsThread>, std::string> enter(const std::string& path);
    ~NetnsThread();
    NetnsThread(const NetnsThread&) = delete;
    NetnsThread& operator=(const NetnsThread&) = delete;

    // One caller at a time. What the work throws comes out here.
    void run(const std::function<void()>& work);

 private:
    NetnsThread() = default;
    void loop(int fd);

    std::mutex mutex_;
    std::condition_variable changed_;
    const std::function<void()>* work_ = nullptr;
    std::exception_ptr thrown_;
    bool stop_ = false, ready_ = false;
    int error_ = 0;
    std::thread thread_;
};

}  // namespace cvf::host
