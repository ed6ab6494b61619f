#include "pcapng/source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <vector>

namespace cvf::pcapng {
namespace {

constexpr size_t packed_block = 64 * 1024;
// A power of two: 32 MiB, which all levels of zstd do with but the two highest of its --ultra and its --long.
constexpr int longest_window = 25;

std::string system_error() {
    return std::strerror(errno);
}

class FileSource : public Source {
 public:
    FileSource(int fd, bool owned) : fd_(fd), owned_(owned) {}
    ~FileSource() override {
        if (owned_) ::close(fd_);
    }
    FileSource(const FileSource&) = delete;
    FileSource& operator=(const FileSource&) = delete;

    std::expected<size_t, std::string> read(uint8_t* to, size_t n) override {
        if (peeked_ > 0) {
            const size_t take = std::min(n, peeked_);
            std::memcpy(to, magic_, take);
            std::memmove(magic_, magic_ + take, peeked_ - take);
            peeked_ -= take;
            return take;
        }
        const ssize_t got = ::read(fd_, to, n);
        if (got < 0) return std::unexpected(system_error());
        consumed_ += static_cast<uint64_t>(got);
        return static_cast<size_t>(got);
    }
    uint64_t consumed() const override { return consumed_ - peeked_; }

    // The first four bytes (fewer when there are no more), which read() gives out again.
    std::expected<std::string_view, std::string> peek() {
        while (peeked_ < sizeof magic_) {
            const ssize_t got = ::read(fd_, magic_ + peeked_, sizeof magic_ - peeked_);
            if (got < 0) return std::unexpected(system_error());
            if (got == 0) break;
            peeked_ += static_cast<size_t>(got);
            consumed_ += static_cast<uint64_t>(got);
        }
        return std::string_view(reinterpret_cast<const char*>(magic_), peeked_);
    }

 private:
    int fd_;
    bool owned_;
    uint64_t consumed_ = 0;
    uint8_t magic_[4] = {};
    size_t peeked_ = 0;
};

// What both unpackers share: the block of packed bytes.
class PackedSource : public Source {
 public:
    explicit PackedSource(std::unique_ptr<Source> inner) : inner_(std::move(inner)), block_(packed_block) {}
    uint64_t consumed() const override { return inner_->consumed() - (filled_ - used_); }
    bool packed() const override { return true; }

 protected:
    // False at the end of the file.
    std::expected<bool, std::string> refill() {
        const auto got = inner_->read(block_.data(), block_.size());
        if (!got) return std::unexpected(got.error());
        used_ = 0;
        filled_ = *got;
        return filled_ > 0;
    }
    bool drained() const { return used_ == filled_; }

    std::unique_ptr<Source> inner_;
    std::vector<uint8_t> block_;
    size_t used_ = 0, filled_ = 0;
};

// RFC 1952. Members may follow one another; what follows and is no member is ignored, as gzip does.
class GzipSource : public PackedSource {
 public:
    explicit GzipSource(std::unique_ptr<Source> inner) : PackedSource(std::move(inner)) {
        if (inflateInit2(&stream_, 15 + 16) != Z_OK) fault_ = "no memory for gzip";
    }
    ~GzipSource() override { inflateEnd(&stream_); }

    std::expected<size_t, std::string> read(uint8_t* to, size_t n) override {
        if (!fault_.empty()) return std::unexpected(fault_);
        stream_.next_out = to;
        stream_.avail_out = static_cast<uInt>(std::min<size_t>(n, 1u << 30));
        const uInt wanted = stream_.avail_out;
        while (stream_.avail_out == wanted && !ended_) {
            if (drained()) {
                const auto more = refill();
                if (!more) return std::unexpected(fault_ = more.error());
                if (!*more) {
                    if (in_member_) return std::unexpected(fault_ = "gzip data end early");
                    ended_ = true;
                    break;
                }
            }
            if (!in_member_) {
                if (block_[used_] != 0x1f) {
                    ended_ = true;
                    break;
                }
                inflateReset(&stream_);
                in_member_ = true;
            }
            stream_.next_in = block_.data() + used_;
            stream_.avail_in = static_cast<uInt>(filled_ - used_);
            const int result = inflate(&stream_, Z_NO_FLUSH);
            used_ = filled_ - stream_.avail_in;
            if (result == Z_STREAM_END)
                in_member_ = false;
            else if (result != Z_OK && result != Z_BUF_ERROR) {
                fault_ = std::string("gzip data are damaged: ") + (stream_.msg ? stream_.msg : "unknown");
                break;
            }
        }
        const size_t made = wanted - stream_.avail_out;
        if (made == 0 && !fault_.empty()) return std::unexpected(fault_);
        return made;
    }

 private:
    z_stream stream_{};
    bool in_member_ = true, ended_ = false;
    std::string fault_;
};

// RFC 8878. Frames may follow one another.
class ZstdSource : public PackedSource {
 public:
    explicit ZstdSource(std::unique_ptr<Source> inner) : PackedSource(std::move(inner)), stream_(ZSTD_createDStream()) {
        if (!stream_)
            fault_ = "no memory for zstd";
        else
            ZSTD_DCtx_setParameter(stream_, ZSTD_d_windowLogMax, longest_window);
    }
    ~ZstdSource() override { ZSTD_freeDStream(stream_); }
    ZstdSource(const ZstdSource&) = delete;
    ZstdSource& operator=(const ZstdSource&) = delete;

    std::expected<size_t, std::string> read(uint8_t* to, size_t n) override {
        if (!fault_.empty()) return std::unexpected(fault_);
        ZSTD_outBuffer out{to, n, 0};
        while (out.pos == 0) {
            // The decoder may hold output back for want of room; only when it has been asked and gives none is more input needed.
            if (drained() && !full_) {
                const auto more = refill();
                if (!more) return std::unexpected(fault_ = more.error());
                if (!*more) {
                    if (in_frame_) return std::unexpected(fault_ = "zstd data end early");
                    return 0;
                }
            }
            ZSTD_inBuffer in{block_.data(), filled_, used_};
            const size_t result = ZSTD_decompressStream(stream_, &out, &in);
            used_ = in.pos;
            if (ZSTD_isError(result)) {
                fault_ = std::string("zstd data are damaged: ") + ZSTD_getErrorName(result);
                break;
            }
            in_frame_ = result != 0;
            full_ = in_frame_ && out.pos == out.size;
        }
        if (out.pos == 0 && !fault_.empty()) return std::unexpected(fault_);
        return out.pos;
    }

 private:
    ZSTD_DStream* stream_;
    bool in_frame_ = true, full_ = false;
    std::string fault_;
};

// A frame, or a frame to be skipped, which parallel packers put first (RFC 8878, 3.1).
bool is_zstd(std::string_view magic) {
    return magic == "\x28\xb5\x2f\xfd" || (magic.size() == 4 && (magic[0] & 0xf0) == 0x50 && magic.substr(1) == "\x2a\x4d\x18");
}

}  // namespace

std::expected<OpenedSource, std::string> open_source(const std::string& path) {
    const bool standard_input = path == "-";
    const int fd = standard_input ? STDIN_FILENO : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return std::unexpected(system_error());
    auto file = std::make_unique<FileSource>(fd, !standard_input);
    struct stat facts{};
    OpenedSource opened;
    if (::fstat(fd, &facts) == 0 && S_ISREG(facts.st_mode)) {
        opened.size = static_cast<uint64_t>(facts.st_size);
        ::posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    }
    const auto magic = file->peek();
    if (!magic) return std::unexpected(magic.error());
    if (magic->starts_with("\x1f\x8b"))
        opened.source = std::make_unique<GzipSource>(std::move(file));
    else if (is_zstd(*magic))
        opened.source = std::make_unique<ZstdSource>(std::move(file));
    else
        opened.source = std::move(file);
    return opened;
}

}  // namespace cvf::pcapng
