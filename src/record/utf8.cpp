#include "record/utf8.h"

namespace cvf::record {

std::string valid_utf8(std::string_view text, size_t longest) {
    constexpr char hex[] = "0123456789abcdef";
    std::string out;
    for (size_t at = 0; at < text.size();) {
        const auto* p = reinterpret_cast<const uint8_t*>(text.data()) + at;
        const size_t length = *p < 0x80 ? 1 : utf8_length(p, text.size() - at);
        if (out.size() + (length ? length : 4) > longest) break;
        if (length)
            out.append(text, at, length);
        else
            out += {'\\', 'x', hex[*p >> 4], hex[*p & 15]};
        at += length ? length : 1;
    }
    return out;
}

}  // namespace cvf::record
