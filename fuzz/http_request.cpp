// Request targets, percent-encoding and places: any bytes give a value or an error; encoding what was decoded gives it back.
#include <cstdlib>

#include "http/address.h"
#include "http/target.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    if (const auto target = cvf::http::parse_target(text)) {
        if (!target->path.starts_with('/') || target->query.size() > cvf::http::max_parameters) abort();
        std::string again = "/";
        char separator = '?';
        for (const auto& [name, value] : target->query) {
            again += separator + cvf::http::encode_component(name) + '=' + cvf::http::encode_component(value);
            separator = '&';
        }
        const auto second = cvf::http::parse_target(again);
        if (!second || second->query != target->query) abort();
    }
    (void)cvf::http::parse_place(text);
    (void)cvf::http::parse_host_port(text);
    return 0;
}
