// DNS messages for tests, put together field by field.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

namespace cvf::protocol::test {

inline std::string be16(uint32_t v) {
    return {static_cast<char>(v >> 8), static_cast<char>(v)};
}
inline std::string be32(uint32_t v) {
    return be16(v >> 16) + be16(v & 0xffff);
}

// "www.example.com" as labels; no escapes.
inline std::string wire_name(std::string_view name) {
    std::string out;
    while (!name.empty()) {
        const std::string_view label = name.substr(0, name.find('.'));
        out += static_cast<char>(label.size());
        out += label;
        name.remove_prefix(std::min(name.size(), label.size() + 1));
    }
    return out + '\0';
}

inline std::string header(uint16_t id, uint16_t flags, uint16_t questions, uint16_t answers = 0, uint16_t authority = 0,
                          uint16_t additional = 0) {
    return be16(id) + be16(flags) + be16(questions) + be16(answers) + be16(authority) + be16(additional);
}
inline std::string question(std::string_view name, uint16_t type, uint16_t klass = 1) {
    return wire_name(name) + be16(type) + be16(klass);
}
// `owner` in wire form.
inline std::string rr(std::string_view owner, uint16_t type, std::string_view data, uint32_t ttl = 300, uint16_t klass = 1) {
    return std::string(owner) + be16(type) + be16(klass) + be32(ttl) + be16(static_cast<uint32_t>(data.size())) +
           std::string(data);
}
// The question's name, by pointer.
inline const std::string question_name = "\xc0\x0c";

inline std::string query(uint16_t id, std::string_view name, uint16_t type) {
    return header(id, 0x0100, 1) + question(name, type);
}
inline std::string framed(std::string_view message) {
    return be16(static_cast<uint32_t>(message.size())) + std::string(message);
}

}  // namespace cvf::protocol::test
