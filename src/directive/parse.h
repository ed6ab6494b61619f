// Directives from text: YAML (several documents) or JSON, one way for both, with every error at once.
//
//     auto parsed = cvf::directive::parse(text);
//     if (!parsed) for (const Problem& p : parsed.error()) fmt::print(stderr, "{}\n", p.show("shop.yaml"));
//
// What comes out is complete: every name, quantity, expression and field in it has been checked, and its selection compiles. The
// same holds after validate() for one made by hand. Limits: node.h; 16 KiB for an expression; lists as
// schema/directive.schema.json says. Signatures are read, not verified (signature.h).
//
// Thread rule: any thread; no state but RE2's compiled patterns.
#pragma once

#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "directive/directive.h"
#include "directive/node.h"
#include "directive/problem.h"

namespace cvf::directive {

enum class Syntax : uint8_t {
    automatic,  // JSON where the text begins with a brace or bracket and is JSON; else YAML
    yaml,
    json,
};

struct ParseOptions {
    Syntax syntax = Syntax::automatic;
    // Says what is wrong with a pcap-filter expression; this room has no libpcap. Empty: only its form is checked.
    std::function<std::optional<std::string>(std::string_view)> check_pcap_filter;
};

// All documents of the text, none of them twice; or everything that is wrong with any of them.
std::expected<std::vector<Directive>, Problems> parse(std::string_view text, const ParseOptions& options = {});
// Exactly one.
std::expected<Directive, Problems> parse_one(std::string_view text, const ParseOptions& options = {});
std::expected<Directive, Problems> from_tree(const Node& tree, const ParseOptions& options = {}, size_t document = 0);

// Everything that is wrong with a directive made by hand.
Problems validate(const Directive& directive, const ParseOptions& options = {});

}  // namespace cvf::directive
