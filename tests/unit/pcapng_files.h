// Capture files for tests, written byte by byte in either byte order.
#pragma once

#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace cvf::pcapng::test {

// Integers in the order the file is to have.
struct Order {
    bool big = false;
    template <class T>
    std::string operator()(T value) const {
        std::string s(sizeof value, '\0');
        for (size_t i = 0; i < sizeof value; ++i)
            s[big ? sizeof value - 1 - i : i] = static_cast<char>(static_cast<uint64_t>(value) >> (8 * i) & 0xff);
        return s;
    }
    std::string u16(uint16_t v) const { return (*this)(v); }
    std::string u32(uint32_t v) const { return (*this)(v); }
};

inline std::string pcap_header(Order o, uint32_t magic = 0xa1b2c3d4, uint32_t link = 1) {
    return o.u32(magic) + o.u16(2) + o.u16(4) + o.u32(0) + o.u32(0) + o.u32(65535) + o.u32(link);
}
inline std::string pcap_record(Order o, uint32_t seconds, uint32_t fraction, const std::string& bytes, uint32_t wire = 0) {
    return o.u32(seconds) + o.u32(fraction) + o.u32(static_cast<uint32_t>(bytes.size())) +
           o.u32(wire != 0 ? wire : static_cast<uint32_t>(bytes.size())) + bytes;
}

inline std::string padded(std::string s) {
    while (s.size() % 4 != 0) s += '\0';
    return s;
}
inline std::string option(Order o, uint16_t code, const std::string& value) {
    return o.u16(code) + o.u16(static_cast<uint16_t>(value.size())) + padded(value);
}
inline std::string block(Order o, uint32_t type, const std::string& body) {
    const auto length = static_cast<uint32_t>(12 + padded(body).size());
    return o.u32(type) + o.u32(length) + padded(body) + o.u32(length);
}
inline std::string section(Order o, const std::string& options = {}) {
    return block(o, 0x0a0d0d0a, o.u32(0x1a2b3c4d) + o.u16(1) + o.u16(0) + o.u32(0xffffffff) + o.u32(0xffffffff) + options);
}
inline std::string interface(Order o, uint16_t link, const std::string& options = {}, uint32_t snap = 0) {
    return block(o, 1, o.u16(link) + o.u16(0) + o.u32(snap) + options);
}
inline std::string packet(Order o, uint32_t number, uint64_t stamp, const std::string& bytes, const std::string& options = {}) {
    const auto size = static_cast<uint32_t>(bytes.size());
    return block(o, 6,
                 o.u32(number) + o.u32(static_cast<uint32_t>(stamp >> 32)) + o.u32(static_cast<uint32_t>(stamp)) + o.u32(size) +
                     o.u32(size) + padded(bytes) + options);
}

// A file that is gone when the test is over.
class File {
 public:
    explicit File(const std::string& content) {
        const char* folder = std::getenv("TMPDIR");
        path_ = std::string(folder ? folder : "/tmp") + "/cvf-test-XXXXXX";
        const int fd = ::mkstemp(path_.data());
        FILE* out = fd < 0 ? nullptr : ::fdopen(fd, "wb");
        if (out == nullptr || std::fwrite(content.data(), 1, content.size(), out) != content.size()) std::abort();
        std::fclose(out);
    }
    ~File() { ::unlink(path_.c_str()); }
    File(const File&) = delete;
    File& operator=(const File&) = delete;
    const std::string& path() const { return path_; }

 private:
    std::string path_;
};

}  // namespace cvf::pcapng::test
