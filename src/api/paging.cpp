#include "api/paging.h"

#include <charconv>

namespace cvf::api {
namespace {

constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";  // RFC 4648 5
constexpr std::string_view version = "k1:";

}  // namespace

std::string continue_token(std::string_view key) {
    const std::string text = std::string(version) + std::string(key);
    std::string out;
    uint32_t bits = 0;
    int count = 0;
    for (char c : text) {
        bits = bits << 8 | static_cast<unsigned char>(c);
        for (count += 8; count >= 6; count -= 6) out += alphabet[bits >> (count - 6) & 63];
    }
    if (count > 0) out += alphabet[bits << (6 - count) & 63];
    return out;
}

std::optional<std::string> key_of_token(std::string_view token) {
    if (token.size() > 1024) return std::nullopt;
    std::string text;
    uint32_t bits = 0;
    int count = 0;
    for (char c : token) {
        const size_t value = alphabet.find(c);
        if (value == std::string_view::npos) return std::nullopt;
        bits = bits << 6 | static_cast<uint32_t>(value);
        count += 6;
        if (count >= 8) {
            count -= 8;
            text += static_cast<char>(bits >> count & 0xff);
        }
    }
    if (!text.starts_with(version) || text.size() == version.size()) return std::nullopt;
    text.erase(0, version.size());
    // Of the texts that mean the same only ours is one.
    if (continue_token(text) != token) return std::nullopt;
    return text;
}

std::expected<Page, Problem> page_of(const Call& call) {
    const auto bad = [](std::string name, std::string detail) {
        return std::unexpected(
            Problem{.status = 400, .title = "Bad parameter", .detail = std::move(detail), .parameter = std::move(name)});
    };
    Page page;
    if (const auto text = call.parameter("limit")) {
        const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), page.limit);
        if (error != std::errc{} || end != text->data() + text->size() || page.limit == 0 || page.limit > largest_page)
            return bad("limit", "limit is a number from 1 to 1000");
    }
    if (const auto text = call.parameter("continue")) {
        auto key = key_of_token(*text);
        if (!key) return bad("continue", "this is no token of ours: give metadata.continue of the last answer");
        page.after = std::move(*key);
    }
    return page;
}

}  // namespace cvf::api
