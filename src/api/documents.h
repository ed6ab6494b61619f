// Directives and nodes as JSON documents, in and out: what is shown of them, chosen and cut to fields.
//
// Thread rule: pure functions but for directive_document() and node lists, which ask the services. Errors: sentences.
#pragma once

#include <boost/json/object.hpp>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/services.h"
#include "directive/node.h"
#include "directive/parse.h"

namespace cvf::api {

// Labels that a document must have: "team=shop,tier!=test,owner,!old".
class LabelSelector {
 public:
    static std::expected<LabelSelector, std::string> parse(std::string_view text);
    bool matches(const directive::Labels& labels) const;

 private:
    struct Term {
        std::string key, value;
        enum class What : uint8_t { is, is_not, there, absent } what = What::is;
    };
    std::vector<Term> terms_;
};

// Parts of a document, by paths from its root: "metadata.name,status.states".
class DocumentFields {
 public:
    // `roots`: what a path may begin with.
    static std::expected<DocumentFields, std::string> parse(std::string_view text, std::span<const std::string_view> roots);
    boost::json::object cut(const boost::json::object& document) const;
    // Is something of this part among them?
    bool want(std::initializer_list<std::string_view> path) const;

 private:
    std::vector<std::vector<std::string>> paths_;
};

boost::json::value to_value(const directive::Node& tree);

inline constexpr std::string_view directive_roots[] = {"apiVersion", "kind", "metadata", "spec", "signature", "status"};
inline constexpr std::string_view node_roots[] = {"name",    "instance",     "version",  "kernel",  "machine",   "cgroup",
                                                  "labels",  "capabilities", "problems", "started", "sent",      "leaving",
                                                  "numbers", "directives",   "age",      "lost",    "clockSkew", "namesakes"};

// Of a thousand agents each directive has a thousand states: a page has room for so many, but at least for one directive.
inline constexpr size_t max_page_states = 50'000;

// The directive with `status`: its standing over all agents, and its revision; `agents`: with what each of them has said.
boost::json::object directive_document(const controller::Stored& stored, const controller::Nodes* nodes, bool agents = true);
size_t states_in(const boost::json::object& document);
// As it is on the bus, with age, lost, clockSkew and namesakes as we see them.
boost::json::object node_document(const controller::Node& node);

// Documents of a request's body: YAML or JSON, by its content type; a `status` in one, as we show it, is let pass and left out.
std::expected<std::vector<directive::Directive>, directive::Problems> read_documents(std::string_view body,
                                                                                     std::string_view content_type,
                                                                                     const directive::ParseOptions& options);

}  // namespace cvf::api
