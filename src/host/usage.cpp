#include "host/usage.h"

#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>

namespace cvf::host {

Usage own_usage() {
    Usage usage;
    rusage spent{};
    if (::getrusage(RUSAGE_SELF, &spent) == 0) {
        const auto seconds = [](const timeval& t) {
            return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
        };
        usage.cpu_seconds = seconds(spent.ru_utime) + seconds(spent.ru_stime);
    }
    if (std::FILE* file = std::fopen("/proc/self/statm", "re")) {
        unsigned long total = 0, resident = 0;
        if (std::fscanf(file, "%lu %lu", &total, &resident) == 2)
            usage.resident_bytes = resident * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
        std::fclose(file);
    }
    return usage;
}

std::string kernel_release() {
    utsname name{};
    return ::uname(&name) == 0 ? name.release : "";
}

std::string boot_id() {
    std::ifstream file("/proc/sys/kernel/random/boot_id");
    std::string id;
    std::getline(file, id);
    return id;
}

}  // namespace cvf::host
