// `cvf schema`: the table of fields, that of a directive's keys and that of the API's routes, as schemas and as reference pages,
// for the repository's own use.
//
//   cvf schema json|page|directive|openapi|graphql   writes one of them to standard output: of records the schema or the page, of
//                                            directives the schema, of the API its description
//   cvf schema all DIRECTORY                 writes all into DIRECTORY/schema and DIRECTORY/docs
//
// A test compares the committed files with what this writes, so they cannot part from the tables.
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "api/openapi.h"
#include "cli/commands.h"
#include "cli/say.h"
#include "directive/schema.h"
#include "graphql/schema.h"
#include "record/buffer.h"
#include "record/fields.h"
#include "record/json.h"
#include "record/schema.h"

namespace cvf::cli {

namespace {

using record::belongs;
using record::Field;
using record::FieldInfo;
using record::Kind;
using record::Origin;
using record::RecordType;

template <typename T>
std::vector<T> all() {
    std::vector<T> out;
    for (size_t i = 0; i < static_cast<size_t>(T::count); i++) out.push_back(static_cast<T>(i));
    return out;
}

// ---- the reference page

std::string_view kind_name(Kind kind) {
    switch (kind) {
        case Kind::text:
            return "text";
        case Kind::uint:
            return "unsigned";
        case Kind::sint:
            return "integer";
        case Kind::real:
            return "number";
        case Kind::flag:
            return "flag";
        case Kind::ip:
            return "address";
        case Kind::mac:
            return "MAC";
        case Kind::time:
            return "time";
        case Kind::hex:
            return "hex";
        case Kind::list_text:
            return "texts";
        case Kind::list_uint:
            return "integers";
        case Kind::list_ip:
            return "addresses";
        case Kind::map:
            return "map";
    }
    return "";
}

std::string_view origin_text(Origin origin) {
    switch (origin) {
        case Origin::otel:
            return "OTel";
        case Origin::otel_dev:
            return "OTel, not stable";
        case Origin::ecs:
            return "ECS";
        case Origin::join:
            return "join key";
        case Origin::cvf:
            return "CVF";
    }
    return "";
}

// A field at both ends is one row.
bool is_source_end(Field f) {
    const size_t next = static_cast<size_t>(f) + 1;
    return info(f).key.starts_with("source.") && next < record::field_count &&
           info(record::at_destination(f)).key == fmt::format("destination.{}", info(f).key.substr(7));
}
bool is_destination_end(Field f) {
    return f != Field{} && is_source_end(static_cast<Field>(static_cast<size_t>(f) - 1));
}

std::string cell(std::string_view text) {
    std::string out;
    for (char c : text) {
        if (c == '|' || c == '<' || c == '*' || c == '\\') out += '\\';
        out += c;
    }
    return out;
}

template <typename Wanted>
void table(std::string& out, Wanted&& wanted) {
    out += "\n| key | value | name from | meaning |\n|---|---|---|---|\n";
    for (Field f : all<Field>()) {
        if (!wanted(info(f)) || is_destination_end(f)) continue;
        const std::string_view key = info(f).key;
        out += is_source_end(f) ? fmt::format("| `source.{0}`<br>`destination.{0}`", key.substr(7)) : fmt::format("| `{}`", key);
        out += fmt::format(" | {} | {} | {} |\n", kind_name(info(f).kind), origin_text(info(f).origin), cell(info(f).doc));
    }
}

constexpr std::string_view page_head = R"(# Records

Every record CVF writes is one flat JSON object on one line. This page lists every key it can have. It is made from the field table
(`src/record/fields/`) by `cvf schema`, as is [the JSON Schema](../schema/record.schema.json) that all records of all tests are held against.

Names are those of OpenTelemetry's semantic conventions; where these have none, of the Elastic Common Schema; else `cvf.*`. What a key
says of one end of a conversation stands under `source.` (who opened it) and `destination.`. A key that does not apply, or whose value is
not known, is absent; nothing is ever guessed. Durations are nanoseconds.

Kinds of values: *text* is a JSON string (bytes that are not UTF-8 are written as `\xNN`), *unsigned* and *integer* are JSON numbers
without fraction of up to 64 bits, *flag* is true or false, *address* is IPv4 dotted or IPv6 as RFC 5952 writes it, *MAC* is six
upper-case pairs joined by `-`, *time* is RFC 3339 in UTC with nine digits of fraction, *hex* is lower-case hex; the plurals are arrays,
*map* is an object of strings.

"OTel, not stable" marks names which OpenTelemetry still calls development or release candidate: if it renames one, so do we, and say so in the changelog.

## Any record
)";

constexpr std::string_view page_budget = R"(
## What the payload budget changes

A capture read by `cvf read`, and live traffic with `--payload full`, show the dissectors every byte. By default the kernel hands over only
part of each conversation of a local socket: the first 16 KiB of each direction, then 4 KiB at each turn of it, until the dissector has said
what it still wants. The rest is counted in the kernel but not looked at.

Never touched by the budget: `flow` records (their counters come from packet headers and sockets), `dns` over UDP, `icmp`, `arp`, `lldp`,
`quic`, `process`, `event`; every key that identifies or times a conversation; and the head of a message that lies within the budget.

Only these may differ from the same traffic seen in full, and then the record carries `cvf.truncated: true`:

| record | key | how |
|---|---|---|
| `http` | `http.request.size`, `http.response.size`, `http.request.body.size`, `http.response.body.size` | a body whose length is declared (`Content-Length`) is counted from the declaration and does not differ; a chunked one, or one that ends with the connection, is counted as far as its framing could be followed |
| `http` | `cvf.http.response.duration` | absent when the end of the body could not be seen |
| `http` | `http.request.*`, `url.*`, `user_agent.original`, `http.response.*`, `error.type` and all that a head says | absent when a pipelined message after a chunked body, or a head of more than 4 KiB, lies beyond the budget: then the request and its response may also be missing from each other's record, or the exchange has none |
| `http` | `cvf.http.sequence` | counts only exchanges that were seen |
| `tls` | `tls.server.*`, `tls.client.*` and `cvf.tls.*.certificate.*`, `cvf.tls.*.chain.*` | absent, or cut to the certificates that were whole, when a chain goes beyond the first 16 KiB |
| `tls` | `tls.established`, `cvf.tls.handshake.duration`, `cvf.tls.alert.*` | absent when the end of the handshake, or a late alert, lies beyond the budget |
| `dns` over TCP | everything from the response: `dns.answers` and its parallel lists, `dns.resolved_ip`, `dns.response_code`, `cvf.dns.response.size`, `cvf.dns.transfer.messages`, `cvf.dns.answer.count` | absent or lower when a message (of a zone transfer, mostly) lies beyond the budget |
| any | `cvf.violation` | never set for bytes that were withheld |

With `--payload none` there are no records of application protocols over TCP and UDP at all; `flow` records stay.
)";

std::string reference_page() {
    std::string out(page_head);
    table(out, [](const FieldInfo& f) { return f.types == "*"; });
    for (RecordType t : all<RecordType>()) {
        out += fmt::format("\n## {}\n\n`record.type` is `{}`: {}.\n", info(t).name, info(t).name, info(t).doc);
        if (t == RecordType::metric)
            out += "\nIt also has the fields it was grouped by: any key of this page with a single value.\n";
        table(out, [&](const FieldInfo& f) { return f.types != "*" && belongs(f, info(t).name); });
    }
    out += page_budget;
    return out;
}

bool write_file(const std::string& path, const std::string& text) {
    std::FILE* file = std::fopen(path.c_str(), "w");
    bool good = file && std::fwrite(text.data(), 1, text.size(), file) == text.size();
    if (file) good &= std::fclose(file) == 0;
    if (!good) say("cvf schema: {}: {}\n", path, std::strerror(errno));
    return good;
}

}  // namespace

int run_schema(const std::string& what, const std::string& directory) {
    if (what == "graphql") {
        fmt::print("{}", graphql::print_schema(graphql::fabric_schema()));
        return exit_done;
    }
    if (what == "json" || what == "page" || what == "directive" || what == "openapi") {
        const std::string text = what == "json"        ? record::json_schema()
                                 : what == "page"      ? reference_page()
                                 : what == "directive" ? directive::json_schema()
                                                       : api::openapi();
        fmt::print("{}", text);
        return exit_done;
    }
    if (what != "all" || directory.empty()) {
        say("cvf schema: say json, page, directive, openapi, graphql, or all DIRECTORY\n");
        return exit_wrong_use;
    }
    const bool good = write_file(directory + "/schema/record.schema.json", record::json_schema()) &&
                      write_file(directory + "/docs/records.md", reference_page()) &&
                      write_file(directory + "/schema/directive.schema.json", directive::json_schema()) &&
                      write_file(directory + "/docs/directives-reference.md", directive::reference_page()) &&
                      write_file(directory + "/schema/openapi.json", api::openapi()) &&
                      write_file(directory + "/schema/schema.graphql", graphql::print_schema(graphql::fabric_schema()));
    return good ? exit_done : exit_failed;
}

}  // namespace cvf::cli
