#include "api/pages.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>

#include "api/condition.h"
#include "api/routes.h"
#include "http/header.h"

namespace cvf::api {
namespace {

std::string_view media_of(std::string_view name) {
    return name.ends_with(".html")  ? "text/html; charset=utf-8"
           : name.ends_with(".css") ? "text/css; charset=utf-8"
           : name.ends_with(".js")  ? "text/javascript; charset=utf-8"
                                    : "text/plain; charset=utf-8";
}

// A gzip file ends with the CRC and the size of what is in it, 4 bytes each, the low ones first.
uint32_t size_of(std::string_view gzip) {
    uint32_t size = 0;
    for (size_t i = 1; i <= 4; ++i) size = size << 8 | static_cast<uint8_t>(gzip[gzip.size() - i]);
    return size;
}

std::string unpacked(std::string_view gzip) {
    std::string out(size_of(gzip), '\0');
    z_stream stream{};
    if (inflateInit2(&stream, 16 + MAX_WBITS) != Z_OK) return {};
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(gzip.data()));
    stream.avail_in = static_cast<uInt>(gzip.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    const int status = inflate(&stream, Z_FINISH);
    inflateEnd(&stream);
    return status == Z_STREAM_END ? out : std::string();
}

bool takes_gzip(std::string_view accept_encoding) {
    return std::ranges::any_of(http::list_items(accept_encoding), [](std::string_view one) {
        const std::string_view q = http::parameter_of(one, "q");
        return http::same_word(http::media_type_of(one), "gzip") &&
               (q.empty() || q.find_first_not_of("0.") != std::string_view::npos);
    });
}

http::OutgoingResponse page_asset(const Call& call) {
    return asset_response(call, call.names[0]);
}

http::OutgoingResponse docs_page(const Call& call) {
    return asset_response(call, "docs.html");
}

constexpr Content html[] = {{"text/html", R"({"type": "string"})", ""}};
constexpr Content any[] = {{"application/octet-stream", R"({"type": "string"})", ""}};
constexpr Answer page_answers[] = {{200, "The page.", html, ""}};
constexpr Answer asset_answers[] = {{200, "The file.", any, ""}};
constexpr unsigned problems[] = {404, 501};

}  // namespace

const Asset* find_asset(std::string_view name) {
    const auto found = std::ranges::find(assets(), name, &Asset::name);
    return found == assets().end() ? nullptr : &*found;
}

http::OutgoingResponse asset_response(const Call& call, std::string_view name) {
    if (assets().empty()) return not_here("no pages for browsers: it was built without them");
    const Asset* asset = find_asset(name);
    if (!asset) return to_response({.status = 404, .title = "Not found", .detail = "there is no such file"});
    http::OutgoingResponse response;
    response.content_type = media_of(name);
    // The end of the file tells it from any other; weak, for it is the same packed and unpacked.
    std::string tag = "W/\"";
    for (const char c : asset->gzip.substr(asset->gzip.size() - 8)) tag += fmt::format("{:02x}", static_cast<uint8_t>(c));
    tag += '"';
    response.headers = {{"ETag", tag},
                        {"Cache-Control", "no-cache"},
                        {"Vary", "Accept-Encoding, Accept"},
                        {"Referrer-Policy", "no-referrer"},
                        {"Content-Security-Policy",
                         "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; "
                         "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"}};
    if (lists_tag(call.header("If-None-Match"), tag, true)) {
        response.status = 304;
    } else if (takes_gzip(call.header("Accept-Encoding"))) {
        response.body = asset->gzip;
        response.headers.push_back({"Content-Encoding", "gzip"});
    } else {
        response.body = unpacked(asset->gzip);
    }
    return response;
}

std::span<const Route> page_routes() {
    static constexpr Route table[] = {
        {"GET",
         "/api/v1/docs",
         {},
         false,
         docs_page,
         "getDocumentation",
         "service",
         "This description as a page for browsers",
         "",
         {},
         "",
         {},
         page_answers,
         problems},
        {"GET",
         "/assets/{name}",
         {},
         false,
         page_asset,
         "getAsset",
         "service",
         "What the pages for browsers are made of",
         "",
         {},
         "If-None-Match",
         {},
         asset_answers,
         problems},
    };
    return table;
}

}  // namespace cvf::api
