// A /proc of our own, so that pids can be used again and processes be gone on demand.
#pragma once

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

#include "host/process.h"

namespace cvf::test {

class Folder {
 public:
    Folder() {
        char path[] = "/tmp/cvf-test-XXXXXX";
        path_ = ::mkdtemp(path);
    }
    ~Folder() { std::filesystem::remove_all(path_); }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    const std::string& path() const { return path_; }
    void write(const std::string& name, const std::string& text) const {
        const std::filesystem::path file = path_ + '/' + name;
        std::filesystem::create_directories(file.parent_path());
        std::ofstream(file, std::ios::binary) << text;
    }

 private:
    std::string path_;
};

class FakeProc : public Folder {
 public:
    // `start_ticks`: since boot, 100 a second.
    void add(uint32_t pid, uint32_t parent, uint64_t start_ticks, const std::string& comm, const std::string& executable,
             const std::string& command_line = {}, uint32_t netns = 4026531840) const {
        remove(pid);
        const std::string folder = std::to_string(pid);
        write(folder + "/stat", folder + " (" + comm + ") S " + std::to_string(parent) +
                                    " 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 " + std::to_string(start_ticks) +
                                    " 1000 200 18446744073709551615\n");
        write(folder + "/cmdline", command_line);
        write(folder + "/cgroup", "4:memory:/elsewhere\n0::/test/" + folder + "\n");
        std::filesystem::create_directories(path() + '/' + folder + "/ns");
        if (!executable.empty()) std::filesystem::create_symlink(executable, path() + '/' + folder + "/exe");
        std::filesystem::create_symlink("net:[" + std::to_string(netns) + "]", path() + '/' + folder + "/ns/net");
    }
    void remove(uint32_t pid) const { std::filesystem::remove_all(path() + '/' + std::to_string(pid)); }
    static int64_t utc(uint64_t ticks) {
        return static_cast<int64_t>(ticks) * (1'000'000'000 / ::sysconf(_SC_CLK_TCK)) + host::boot_to_utc_ns();
    }
};

}  // namespace cvf::test
