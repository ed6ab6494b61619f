#include "directive/checks.h"

#include <fmt/format.h>

#include <array>
#include <span>
#include <string>

#include "config/quantity.h"
#include "filter/filter.h"
#include "filter/literal.h"
#include "record/fields.h"
#include "record/json.h"
#include "record/nearest.h"
#include "record/schema.h"

namespace cvf::directive {

std::optional<Fault> check_record_type(std::string_view text) {
    if (record::type_by_name(text)) return {};
    std::array<std::string_view, record::type_count> names;
    for (size_t i = 0; i < names.size(); ++i) names[i] = record::info(static_cast<record::RecordType>(i)).name;
    const std::string_view near = record::nearest(text, names);
    if (near.empty())
        return Fault{fmt::format("there is no record type '{}'; there are {}", text, fmt::join(names, ", ")), {}, 0};
    return Fault{fmt::format("there is no record type '{}'; did you mean {}?", text, near), std::string(near), 0};
}

std::optional<Fault> check_field_pattern(std::string_view text) {
    const std::string pattern(text);
    const auto parsed = record::Projection::parse(std::span(&pattern, 1));
    if (parsed) return {};
    return Fault{parsed.error(), std::string(record::nearest_key(text)), 0};
}

std::optional<Fault> check_group_key(std::string_view text) {
    const std::optional<record::Field> field = record::field_by_key(text);
    if (!field && text.ends_with('*'))
        return Fault{fmt::format("'{}' names many fields; group by each by its name", text), {}, 0};
    if (!field) return check_field_pattern(text);
    const record::FieldInfo& info = record::info(*field);
    if (!record::has_one_value(info.kind))
        return Fault{fmt::format("'{}' has many values at once; group by a field that has one", text), {}, 0};
    if (*field == record::Field::timestamp || *field == record::Field::record_id)
        return Fault{fmt::format("'{}' is another in every record; it makes no groups", text), {}, 0};
    if (info.types != "*" && record::belongs(info, "metric"))
        return Fault{fmt::format("'{}' is what the sums themselves have; group by something else", text), {}, 0};
    return {};
}

std::optional<Fault> check_expression(std::string_view text) {
    const auto filter = filter::Filter::compile(text);
    if (filter) return {};
    return Fault{
        fmt::format("column {} of the expression: {}", filter.error().column, filter.error().message), {}, filter.error().column};
}

std::optional<Fault> check_path(std::string_view text) {
    if (text.ends_with('/')) return Fault{fmt::format("'{}' is a folder; name the file in it", text), {}, 0};
    std::string_view rest = text;
    while (!rest.empty()) {
        const size_t slash = rest.find('/');
        if (rest.substr(0, slash) == "..") return Fault{"'..' leads out of the folder that files are written into", {}, 0};
        rest.remove_prefix(slash == std::string_view::npos ? rest.size() : slash + 1);
    }
    return {};
}

namespace {

bool is_port(std::string_view text) {
    const auto port = config::parse_count(text);
    return port && *port >= 1 && *port <= 65'535 && text.find_first_not_of("0123456789") == std::string_view::npos;
}

bool is_host(std::string_view text) {
    if (text.empty() || text.size() > 253) return false;
    return text.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._") == std::string_view::npos;
}

// HOST, HOST:PORT or [IPv6]:PORT.
bool is_authority(std::string_view text, bool port_needed) {
    std::string_view host = text, port;
    if (text.starts_with('[')) {
        const size_t end = text.find(']');
        if (end == std::string_view::npos) return false;
        const auto address = filter::parse_ip(text.substr(1, end - 1));
        if (!address || address->short_size != 16) return false;
        host = {};
        port = text.substr(end + 1);
        if (port.empty()) return !port_needed;
        return port[0] == ':' && is_port(port.substr(1));
    }
    if (const size_t colon = text.find(':'); colon != std::string_view::npos) {
        host = text.substr(0, colon);
        if (!is_port(text.substr(colon + 1))) return false;
    } else if (port_needed) {
        return false;
    }
    return is_host(host);
}

}  // namespace

std::optional<Fault> check_url(std::string_view text) {
    std::string_view rest = text;
    if (rest.starts_with("http://"))
        rest.remove_prefix(7);
    else if (rest.starts_with("https://"))
        rest.remove_prefix(8);
    else
        return Fault{fmt::format("'{}' is not a URL; write it as http://HOST:PORT/PATH or https://…", text), {}, 0};
    const std::string_view authority = rest.substr(0, rest.find_first_of("/?#"));
    if (authority.find('@') != std::string_view::npos)
        return Fault{"a URL with a password in it would be read by everyone who may read directives", {}, 0};
    if (!is_authority(authority, false)) return Fault{fmt::format("'{}' is not HOST or HOST:PORT", authority), {}, 0};
    for (const char c : rest)
        if (static_cast<uint8_t>(c) <= 0x20 || static_cast<uint8_t>(c) >= 0x7f)
            return Fault{"a URL has no blanks and no letters beyond ASCII; write them as %XX", {}, 0};
    if (rest.find('#') != std::string_view::npos) return Fault{"what follows '#' in a URL is never sent; leave it out", {}, 0};
    return {};
}

std::optional<Fault> check_address(std::string_view text) {
    if (is_authority(text, true)) return {};
    return Fault{fmt::format("'{}' is not HOST:PORT or [ADDRESS]:PORT", text), {}, 0};
}

std::string suggest_name(std::string_view text) {
    std::string out;
    for (char c : text.substr(0, 253)) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
        const bool good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.';
        if (good)
            out += c;
        else if (!out.empty() && out.back() != '-' && out.back() != '.')
            out += '-';
    }
    while (!out.empty() && (out.back() == '-' || out.back() == '.')) out.pop_back();
    return out;
}

}  // namespace cvf::directive
