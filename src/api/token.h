// The bearer token of the local agent: 256 random bits as 64 hex digits in a file only its owner may read.
//
// Thread rule: functions without state. Errors: one line of text that names the file.
// Source: RFC 6750 (bearer tokens).
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>

namespace cvf::api {

inline constexpr std::string_view default_token_file = "/run/cvf/token";

// A fresh one, in no file yet.
std::expected<std::string, std::string> make_token();

// Puts a token at `path`, mode 0600, replacing what is there in one step; the folder is made (0755) when it is missing. Returns
// the error.
std::optional<std::string> write_token_file(const std::string& path, std::string_view token);

// The token in a file, without the blanks around it. At most 4 KiB are read.
std::expected<std::string, std::string> read_token_file(const std::string& path);

// Takes the same time wherever the two differ.
bool same_token(std::string_view given, std::string_view wanted);

}  // namespace cvf::api
