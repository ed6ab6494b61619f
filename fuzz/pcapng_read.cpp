// Any bytes as a capture file, packed or not.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>

#include "pcapng/reader.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    static const int fd = ::memfd_create("capture", 0);
    if (fd < 0 || ::ftruncate(fd, 0) != 0 || ::pwrite(fd, data, size, 0) != static_cast<ssize_t>(size)) std::abort();
    static const std::string path = "/proc/self/fd/" + std::to_string(fd);
    auto reader = cvf::pcapng::Reader::open(path);
    if (!reader) return 0;
    cvf::pcapng::Captured c;
    size_t packets = 0;
    // Packed input can be vast; so many are enough.
    while (packets++ < 100'000 && (*reader)->next(c)) {
        if (c.wire_length < c.bytes.size() || c.interface >= (*reader)->interfaces().size()) std::abort();
        volatile uint8_t sink = 0;
        for (const uint8_t v : c.bytes) sink = v;
        (void)sink;
        std::string_view comments[3];
        for (size_t i = (*reader)->comments(comments); i-- > 0;)
            if (comments[i].empty() || comments[i].size() > cvf::pcapng::Reader::longest_text) std::abort();
    }
    return 0;
}
