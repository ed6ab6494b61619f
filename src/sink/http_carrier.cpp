#include "sink/http_carrier.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "http/address.h"

namespace cvf::sink {

using std::chrono::milliseconds;

namespace {

constexpr int64_t longest_retry_after = 300;  // s
constexpr size_t most_answer = 64 * 1024;

// What a server wrote, for a message: one line, short, printable.
std::string shown(std::string_view body) {
    std::string out;
    for (const char c : body.substr(0, 120)) out += c >= ' ' && c < 0x7f ? c : ' ';
    while (out.ends_with(' ')) out.pop_back();
    return out;
}

}  // namespace

std::expected<Url, std::string> split_url(std::string_view url) {
    const size_t scheme = url.find("://");
    if (scheme == std::string_view::npos || (url.substr(0, scheme) != "http" && url.substr(0, scheme) != "https"))
        return std::unexpected(fmt::format("'{}' is not a URL; write it as http://HOST:PORT/PATH or https://…", url));
    url = url.substr(0, url.find('#'));
    const size_t authority = scheme + 3;
    const size_t path = std::min(url.find_first_of("/?", authority), url.size());
    Url out{std::string(url.substr(0, path)), std::string(url.substr(path))};
    if (!out.target.starts_with('/')) out.target.insert(0, 1, '/');
    if (auto place = http::parse_place(out.where); !place) return std::unexpected(place.error());
    for (const char c : out.target)
        if (c <= ' ' || c >= 0x7f) return std::unexpected("a URL has no blanks and no letters beyond ASCII; write them as %XX");
    return out;
}

std::expected<std::string, std::string> read_secret(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return std::unexpected(fmt::format("{}: {}", path, std::strerror(errno)));
    char bytes[8192];
    const ssize_t size = ::read(fd, bytes, sizeof bytes);
    const int error = errno;
    ::close(fd);
    if (size < 0) return std::unexpected(fmt::format("{}: {}", path, std::strerror(error)));
    std::string_view text(bytes, static_cast<size_t>(size));
    text = text.substr(0, text.find('\n'));
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r')) text.remove_suffix(1);
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    if (text.empty()) return std::unexpected(fmt::format("{}: no secret in its first line", path));
    for (const char c : text)
        if (c <= ' ' || c >= 0x7f) return std::unexpected(fmt::format("{}: a secret is of visible ASCII letters alone", path));
    if (text.size() == sizeof bytes)
        return std::unexpected(fmt::format("{}: a secret is shorter than {} bytes", path, sizeof bytes));
    return std::string(text);
}

milliseconds retry_after(std::string_view value, int64_t now) {
    int64_t seconds = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), seconds);
    if (error == std::errc::result_out_of_range) {
        seconds = longest_retry_after;
    } else if (error != std::errc{} || end != value.data() + value.size()) {
        tm parts{};
        const std::string text(value.substr(0, 64));
        const char* rest = ::strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
        if (!rest || *rest) return milliseconds(0);
        seconds = ::timegm(&parts) - now;
    }
    return milliseconds(std::clamp<int64_t>(seconds, 0, longest_retry_after) * 1000);
}

Sent HttpCarrier::send(Parcel& parcel, const std::atomic<bool>& stop) {
    Sent sent;
    http::Request request;
    request.method = "POST";
    request.target = way_.targets[parcel.kind];
    request.tls = way_.tls;
    request.headers = {{"Content-Type", way_.content_type}, {"User-Agent", "cvf/" CVF_VERSION}};
    if (!way_.token_file.empty()) {
        auto secret = read_secret(way_.token_file);
        if (!secret) return {Sent::Fate::again, 0, milliseconds(0), std::move(secret.error())};
        request.headers.push_back({"Authorization", "Bearer " + *secret});
    }
    request.body.assign(parcel.bytes.view());

    // stream() and not fetch(), for that one can be stopped.
    http::Limits limits;
    limits.timeout = way_.timeout;
    limits.idle = way_.timeout;
    limits.body_bytes = most_answer;
    std::string body;
    const auto deadline = std::chrono::steady_clock::now() + 2 * way_.timeout;
    const auto response = http::stream(
        way_.where, request,
        [&](std::string_view piece) {
            body.append(piece.substr(0, most_answer - body.size()));
            return body.size() < most_answer && std::chrono::steady_clock::now() < deadline;
        },
        &stop, limits);
    if (!response) return {Sent::Fate::again, 0, milliseconds(0), response.error().text};
    const unsigned status = response->status;
    if (status / 100 == 2) {
        accepted(parcel, body, sent);
        return sent;
    }
    const std::string said = shown(response->body);
    sent.error = fmt::format("the server answered {}{}{}", status, said.empty() ? "" : ": ", said);
    const bool server_error = way_.few_retries ? status == 502 || status == 503 || status == 504 : status / 100 == 5;
    if (server_error || status == 429 || (status == 408 && !way_.few_retries)) {
        sent.fate = Sent::Fate::again;
        sent.after = retry_after(response->header("Retry-After"), ::time(nullptr));
    } else {
        sent.fate = Sent::Fate::refused;
    }
    return sent;
}

}  // namespace cvf::sink
