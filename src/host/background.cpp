#include "host/background.h"

#include <sys/resource.h>

#include <thread>

namespace cvf::host {

void in_background(const std::function<void()>& make) {
    std::thread([&] {
        ::setpriority(PRIO_PROCESS, 0, 10);  // of this thread alone, on Linux; a failure costs only the courtesy
        make();
    }).join();
}

}  // namespace cvf::host
