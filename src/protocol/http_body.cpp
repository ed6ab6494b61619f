#include "protocol/http_body.h"

#include <algorithm>

#include "protocol/http_text.h"

namespace cvf::protocol::http1 {

namespace {
// Longest line of chunk size and extensions, and longest trailer line.
constexpr size_t max_line = 8 * 1024;
}  // namespace

void Body::begin(Framing framing, uint64_t length) {
    state_ = framing == Framing::chunked       ? State::chunk_size
             : framing == Framing::until_close ? State::until_close
                                               : State::whole;
    left_ = framing == Framing::length ? length : 0;
    skipping_ = false;
    body_ = wire_ = 0;
    violation_ = "";
}

void Body::skip_passed() {
    if (!skipping_ || state_ == State::until_close) return;
    skipping_ = false;
    count(left_);
    left_ = 0;
}

Body::Step Body::advance(Direction dir, Bytes bytes, Context& ctx, size_t& used) {
    used = 0;
    for (;;) {
        switch (state_) {
            case State::whole:
            case State::chunk_data: {
                const size_t n = static_cast<size_t>(std::min<uint64_t>(left_, bytes.size() - used));
                used += n;
                left_ -= n;
                count(n);
                if (left_ > 0) {
                    skipping_ = true;
                    skip_base_ = ctx.skipped(dir);
                    ctx.skip(dir, left_);
                    return Step::more;
                }
                if (state_ == State::whole) return Step::complete;
                state_ = State::chunk_end;
                break;
            }
            case State::until_close: {
                const size_t n = bytes.size() - used;
                used += n;
                count(n);
                if (!skipping_) skip_base_ = ctx.skipped(dir);
                skipping_ = true;
                ctx.skip(dir, skip_all);
                return Step::more;
            }
            case State::chunk_size:
            case State::chunk_end:
            case State::trailer: {
                size_t passed = 0;
                const Step step = line(decode::as_text(bytes.subspan(used)), passed);
                used += passed;
                wire_ += passed;
                if (step != Step::complete) return step;
                if (state_ == State::whole) return Step::complete;  // the empty line behind the trailers
                break;
            }
        }
    }
}

// One line of chunk framing from the start of `text`: complete when it was there.
Body::Step Body::line(std::string_view text, size_t& used) {
    if (text.empty()) return Step::more;
    if (state_ == State::chunk_end) {
        const size_t n = text[0] == '\n' ? 1 : text.starts_with("\r\n") ? 2 : 0;
        if (n == 0) {
            if (text == "\r") return Step::more;
            violation_ = "chunk longer than its size";
            return Step::malformed;
        }
        used = n;
        state_ = State::chunk_size;
        return Step::complete;
    }
    const void* newline = std::memchr(text.data(), '\n', std::min(text.size(), max_line));
    if (!newline) {
        if (text.size() < max_line) return Step::more;
        violation_ = "endless chunk size or trailer line";
        return Step::malformed;
    }
    used = static_cast<size_t>(static_cast<const char*>(newline) - text.data()) + 1;
    text = text.substr(0, used - 1);
    if (text.ends_with('\r')) text.remove_suffix(1);
    if (state_ == State::trailer) {
        if (text.empty()) state_ = State::whole;
        return Step::complete;
    }
    if (chunk_size(text)) return Step::complete;
    violation_ = "chunk size that is no number";
    return Step::malformed;
}

// chunk-size [ chunk-ext ] (RFC 9112 section 7.1).
bool Body::chunk_size(std::string_view text) {
    uint64_t size = 0;
    size_t n = 0;
    while (n < text.size() && is_blank(text[n])) ++n;
    const size_t first = n;
    for (int digit; n < text.size() && (digit = hex_value(text[n])) >= 0; ++n) {
        if (size >> 59) return false;
        size = size << 4 | static_cast<uint64_t>(digit);
    }
    if (n == first) return false;
    while (n < text.size() && is_blank(text[n])) ++n;
    if (n < text.size() && text[n] != ';') return false;
    left_ = size;
    state_ = size == 0 ? State::trailer : State::chunk_data;
    return true;
}

Body::Step Body::gap(Direction dir, uint64_t bytes, Context& ctx) {
    if (state_ == State::until_close) {
        end(dir, ctx);
        count(bytes);
        skipping_ = true;
        skip_base_ = ctx.skipped(dir);
        ctx.skip(dir, skip_all);
        return Step::more;
    }
    if (skipping_) {
        const uint64_t passed = std::min(ctx.skipped(dir) - skip_base_, left_);
        count(passed);
        left_ -= passed;
        skipping_ = false;
    }
    const uint64_t inside = std::min(bytes, left_);
    count(inside);
    left_ -= inside;
    if (inside == bytes && left_ > 0) {
        skipping_ = true;
        skip_base_ = ctx.skipped(dir);
        ctx.skip(dir, left_);
        return Step::more;
    }
    if (inside != bytes) return Step::malformed;
    if (state_ == State::whole) return Step::complete;
    state_ = State::chunk_end;
    return Step::more;
}

bool Body::end(Direction dir, const Context& ctx) {
    if (skipping_) {
        const uint64_t passed = ctx.skipped(dir) - skip_base_;
        count(state_ == State::until_close ? passed : std::min(passed, left_));
        skipping_ = false;
    }
    return state_ == State::until_close;
}

}  // namespace cvf::protocol::http1
