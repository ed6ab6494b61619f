#include "api/token.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace cvf::api {
namespace {

std::string errno_text(std::string_view what, int error) {
    return fmt::format("{}: {}", what, std::generic_category().message(error));
}

}  // namespace

std::expected<std::string, std::string> make_token() {
    unsigned char bits[32];
    if (::getrandom(bits, sizeof bits, 0) != sizeof bits) return std::unexpected(errno_text("getrandom", errno));
    std::string token;
    for (unsigned char b : bits) token += fmt::format("{:02x}", b);
    return token;
}

std::optional<std::string> write_token_file(const std::string& path, std::string_view token) {
    if (const size_t slash = path.rfind('/'); slash != std::string::npos && slash > 0) {
        const std::string folder = path.substr(0, slash);
        if (::mkdir(folder.c_str(), 0755) != 0 && errno != EEXIST) return errno_text(folder, errno);
    }
    // Never written in place: who holds the old file open, or has put a link there, gets nothing.
    const std::string fresh = fmt::format("{}.{}", path, ::getpid());
    ::unlink(fresh.c_str());
    const int fd = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) return errno_text(fresh, errno);
    const std::string line = fmt::format("{}\n", token);
    int error = ::write(fd, line.data(), line.size()) == static_cast<ssize_t>(line.size()) ? 0 : errno ? errno : EIO;
    ::close(fd);
    if (!error && ::rename(fresh.c_str(), path.c_str()) != 0) error = errno;
    if (error) {
        ::unlink(fresh.c_str());
        return errno_text(path, error);
    }
    return std::nullopt;
}

std::expected<std::string, std::string> read_token_file(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return std::unexpected(errno_text(path, errno));
    char text[4096];
    const ssize_t n = ::read(fd, text, sizeof text);
    const int error = errno;
    ::close(fd);
    if (n < 0) return std::unexpected(errno_text(path, error));
    std::string_view token(text, static_cast<size_t>(n));
    const auto blank = " \t\r\n";
    const size_t first = token.find_first_not_of(blank);
    if (first == std::string_view::npos) return std::unexpected(fmt::format("{}: the file holds no token", path));
    token = token.substr(first, token.find_last_not_of(blank) - first + 1);
    for (char c : token)
        if (c <= ' ' || c >= 0x7f) return std::unexpected(fmt::format("{}: the file does not hold one token", path));
    return std::string(token);
}

bool same_token(std::string_view given, std::string_view wanted) {
    // The length is no secret; what the token is made of is.
    if (given.size() != wanted.size() || wanted.empty()) return false;
    volatile unsigned char difference = 0;
    for (size_t i = 0; i < wanted.size(); ++i)
        difference = static_cast<unsigned char>(difference |
                                                (static_cast<unsigned char>(given[i]) ^ static_cast<unsigned char>(wanted[i])));
    return difference == 0;
}

}  // namespace cvf::api
