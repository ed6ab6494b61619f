// Parcels by HTTP POST: what OTLP and webhook share. One request per parcel, one after the other.
//
// Of an answer: 2xx is delivered; 408, 429 and 5xx (for OTLP of these only 502, 503 and 504, as its specification says) are tried
// again, after Retry-After where the server gives one (seconds or a date, at most five minutes); all others, redirects too, are
// final refusals. No answer: again; so a parcel may arrive twice.
//
// The secret is read from its file before each request, so that it can be exchanged while the program runs. It appears in no
// error text.
//
// Thread rule: as Carrier says. Source: RFC 9110 sections 10.2.3 and 15, RFC 6750 section 2.1.
#pragma once

#include <array>
#include <chrono>
#include <expected>
#include <string>
#include <string_view>

#include "http/client.h"
#include "sink/outbox.h"

namespace cvf::sink {

// "https://host:4318/base?key=value" as the client wants it.
struct Url {
    std::string where;   // "https://host:4318"
    std::string target;  // "/base?key=value", at least "/"
};
std::expected<Url, std::string> split_url(std::string_view url);

struct HttpWay {
    std::string where;
    std::array<std::string, 2> targets;  // by Parcel::kind
    std::string content_type;
    std::string token_file;  // empty: no Authorization
    http::ClientTls tls = {};
    std::chrono::milliseconds timeout{10000};
    bool few_retries = false;  // of 5xx only 502, 503 and 504
};

class HttpCarrier : public Carrier {
 public:
    explicit HttpCarrier(HttpWay way) : way_(std::move(way)) {}
    Sent send(Parcel& parcel, const std::atomic<bool>& stop) override;

 protected:
    // A 2xx answer may say more.
    virtual void accepted(const Parcel&, std::string_view /*body*/, Sent&) {}

 private:
    HttpWay way_;
};

// The first line of a small file, without blanks at its ends. The error names the file, never what stands in it.
std::expected<std::string, std::string> read_secret(const std::string& path);
// Retry-After: 0 when it is absent, wrong or past. `now`: seconds since 1970.
std::chrono::milliseconds retry_after(std::string_view value, int64_t now);

}  // namespace cvf::sink
