// zstd frames: the compressor of the file sink, and the check that a file ends with a whole frame.
#pragma once

#include <zstd.h>

#include <memory>
#include <string_view>
#include <vector>

namespace cvf::sink {

// Compresses into frames with a checksum. Output is handed out in blocks by `Out`, bool(std::string_view bytes); false stops.
class FrameWriter {
 public:
    explicit FrameWriter(int level) : context_(ZSTD_createCCtx()), out_(ZSTD_CStreamOutSize()) {
        ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_compressionLevel, level);
        ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_checksumFlag, 1);
    }

    template <typename Out>
    bool write(std::string_view bytes, Out&& out) {
        return run(bytes, ZSTD_e_continue, out);
    }
    template <typename Out>
    bool end_frame(Out&& out) {
        return run({}, ZSTD_e_end, out);
    }
    // Forgets a frame that could not be written.
    void reset() { ZSTD_CCtx_reset(context_.get(), ZSTD_reset_session_only); }

 private:
    template <typename Out>
    bool run(std::string_view bytes, ZSTD_EndDirective directive, Out& out) {
        ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
        for (;;) {
            ZSTD_outBuffer piece{out_.data(), out_.size(), 0};
            const size_t left = ZSTD_compressStream2(context_.get(), &piece, &in, directive);
            if (ZSTD_isError(left)) return false;
            if (piece.pos > 0 && !out(std::string_view(out_.data(), piece.pos))) return false;
            if (directive == ZSTD_e_end ? left == 0 : in.pos == in.size) return true;
        }
    }

    struct Free {
        void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
    };
    std::unique_ptr<ZSTD_CCtx, Free> context_;
    std::vector<char> out_;
};

// True when `file` is nothing but whole frames (an empty file is).
inline bool whole_frames(std::string_view file) {
    while (!file.empty()) {
        const size_t size = ZSTD_findFrameCompressedSize(file.data(), file.size());
        if (ZSTD_isError(size) || size == 0) return false;
        file.remove_prefix(size);
    }
    return true;
}

}  // namespace cvf::sink
