#include "graphql/parse.h"

#include <fmt/format.h>

#include <boost/json/parse.hpp>
#include <tao/pegtl/contrib/limit_depth.hpp>
#include <tao/pegtl/contrib/parse_tree.hpp>

#include "graphql/grammar.h"

namespace cvf::graphql {
namespace {

namespace tree = tao::pegtl::parse_tree;
using Node = tree::node;

template <typename Rule>
using Kept =
    tree::selector<Rule, tree::store_content::on<
                             grammar::name_text, grammar::real_text, grammar::integer_text, grammar::string_text,
                             grammar::variable, grammar::list_value, grammar::member, grammar::object_value, grammar::value_name,
                             grammar::type, grammar::non_null, grammar::argument, grammar::directive, grammar::field,
                             grammar::spread, grammar::condition, grammar::inline_fragment, grammar::selection_set,
                             grammar::variable_definition, grammar::operation_word, grammar::operation, grammar::fragment>>;

// The furthest token that was read is where an error is: no rule goes back more than one.
template <typename Rule>
struct Action : tao::pegtl::nothing<Rule> {};
template <>
struct Action<grammar::ignored> {
    template <typename Input>
    static void apply(const Input& in, const char*& furthest) {
        if (in.end() > furthest) furthest = in.end();
    }
};
template <>
struct Action<grammar::selection_set> : tao::pegtl::limit_depth<max_syntax_depth> {};
template <>
struct Action<grammar::value> : tao::pegtl::limit_depth<max_syntax_depth> {};
template <>
struct Action<grammar::type> : tao::pegtl::limit_depth<max_syntax_depth> {};

struct Wrong {
    size_t at;
    std::string message;
};

// Parse tree to Document. Throws Wrong, which parse() catches.
class Builder {
 public:
    explicit Builder(Document& document) : document_(document), begin_(document.source.data()) {}

    void build(const Node& root) {
        for (const auto& child : root.children) {
            if (child->is_type<grammar::operation>())
                document_.operations.push_back(operation(*child));
            else
                document_.fragments.push_back(fragment(*child));
        }
    }

 private:
    size_t at(const Node& n) const { return static_cast<size_t>(n.m_begin.data - begin_); }
    static std::string text(const Node& n) { return n.string(); }

    Operation operation(const Node& n) {
        Operation out;
        out.at = at(n);
        for (const auto& child : n.children) {
            if (child->is_type<grammar::operation_word>())
                out.kind = child->string_view().starts_with('q')   ? OperationKind::query
                           : child->string_view().starts_with('m') ? OperationKind::mutation
                                                                   : OperationKind::subscription;
            else if (child->is_type<grammar::name_text>())
                out.name = text(*child), out.name_at = at(*child);
            else if (child->is_type<grammar::variable_definition>())
                out.variables.push_back(variable_definition(*child));
            else if (child->is_type<grammar::directive>())
                out.directives.push_back(directive(*child));
            else
                out.selections = selections(*child);
        }
        return out;
    }

    Fragment fragment(const Node& n) {
        Fragment out;
        out.at = at(n);
        for (const auto& child : n.children) {
            if (child->is_type<grammar::name_text>())
                out.name = text(*child), out.name_at = at(*child);
            else if (child->is_type<grammar::condition>())
                out.on = text(*child->children[0]), out.on_at = at(*child->children[0]);
            else if (child->is_type<grammar::directive>())
                out.directives.push_back(directive(*child));
            else
                out.selections = selections(*child);
        }
        return out;
    }

    VariableDefinition variable_definition(const Node& n) {
        VariableDefinition out;
        out.at = at(n);
        out.name = text(*n.children[0]->children[0]);
        out.type.at = at(*n.children[1]);
        type(*n.children[1], out.type);
        for (size_t i = 2; i < n.children.size(); ++i) {
            if (n.children[i]->is_type<grammar::directive>())
                out.directives.push_back(directive(*n.children[i], true));
            else
                out.fallback = value(*n.children[i], true);
        }
        return out;
    }

    void type(const Node& n, TypeNode& out) {
        if (n.children.back()->is_type<grammar::non_null>()) out.wraps += '!';
        if (n.children[0]->is_type<grammar::type>()) {
            out.wraps += '[';
            type(*n.children[0], out);
        } else {
            out.name = text(*n.children[0]);
        }
    }

    std::vector<Selection> selections(const Node& n) {
        std::vector<Selection> out;
        out.reserve(n.children.size());
        for (const auto& child : n.children) out.push_back(selection(*child));
        return out;
    }

    Selection selection(const Node& n) {
        Selection out;
        out.at = at(n);
        out.kind = n.is_type<grammar::field>()    ? Selection::Kind::field
                   : n.is_type<grammar::spread>() ? Selection::Kind::spread
                                                  : Selection::Kind::inline_fragment;
        for (const auto& child : n.children) {
            if (child->is_type<grammar::name_text>()) {
                out.alias = std::move(out.name);
                out.name = text(*child);
            } else if (child->is_type<grammar::condition>()) {
                out.on = text(*child->children[0]), out.on_at = at(*child->children[0]);
            } else if (child->is_type<grammar::argument>()) {
                out.arguments.push_back(argument(*child, false));
            } else if (child->is_type<grammar::directive>()) {
                out.directives.push_back(directive(*child));
            } else {
                out.selections = selections(*child);
            }
        }
        return out;
    }

    DirectiveUse directive(const Node& n, bool constant = false) {
        DirectiveUse out{text(*n.children[0]), at(n), {}};
        for (size_t i = 1; i < n.children.size(); ++i) out.arguments.push_back(argument(*n.children[i], constant));
        return out;
    }

    Argument argument(const Node& n, bool constant) { return {text(*n.children[0]), at(n), value(*n.children[1], constant)}; }

    Value value(const Node& n, bool constant) {
        Value out;
        out.at = at(n);
        if (n.is_type<grammar::variable>()) {
            if (constant) throw Wrong{out.at, "Syntax Error: a variable can't stand in a constant"};
            out.kind = Value::Kind::variable;
            out.text = text(*n.children[0]);
        } else if (n.is_type<grammar::list_value>()) {
            out.kind = Value::Kind::list;
            for (const auto& child : n.children) out.items.push_back(value(*child, constant));
        } else if (n.is_type<grammar::object_value>()) {
            out.kind = Value::Kind::object;
            for (const auto& child : n.children) {
                out.names.push_back(text(*child->children[0]));
                out.names_at.push_back(at(*child));
                out.items.push_back(value(*child->children[1], constant));
            }
        } else if (n.is_type<grammar::string_text>()) {
            out.kind = Value::Kind::text;
            auto string = string_value(n.string_view());
            if (!string) throw Wrong{out.at, "Syntax Error: " + string.error()};
            out.text = std::move(*string);
        } else {
            out.text = text(n);
            out.kind = n.is_type<grammar::integer_text>()          ? Value::Kind::integer
                       : n.is_type<grammar::real_text>()           ? Value::Kind::real
                       : out.text == "true" || out.text == "false" ? Value::Kind::boolean
                       : out.text == "null"                        ? Value::Kind::null
                                                                   : Value::Kind::enumeration;
        }
        return out;
    }

    Document& document_;
    const char* begin_;
};

bool is_utf8(std::string_view text) {
    // Boost.JSON's parser checks encodings; a text in quotes with nothing to escape is one token to it.
    std::string quoted = "\"";
    for (const char c : text)
        if (static_cast<unsigned char>(c) >= 0x80)
            quoted += c;
        else if (quoted.back() != '.')
            quoted += '.';
    quoted += '"';
    boost::system::error_code error;
    (void)boost::json::parse(quoted, error);
    return !error;
}

// What stands at `at`, as an error shows it.
std::string found_at(std::string_view source, size_t at) {
    if (at >= source.size()) return "the end of the text";
    size_t end = at + 1;
    const auto wordy = [&](size_t i) {
        const char c = source[i];
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    };
    if (wordy(at))
        while (end < source.size() && wordy(end) && end - at < 40) ++end;
    while (end < source.size() && (static_cast<unsigned char>(source[end]) & 0xC0) == 0x80) ++end;
    return fmt::format("'{}'", source.substr(at, end - at));
}

Error syntax_error(std::string_view source, size_t at, std::string message) {
    return {std::move(message), {place_in(source, at)}, {}, {{"code", "GRAPHQL_PARSE_FAILED"}}};
}

}  // namespace

std::expected<Document, Error> parse(std::string_view source, size_t max_bytes) {
    if (source.size() > max_bytes)
        return std::unexpected(Error{fmt::format("the document has {} bytes, {} are allowed", source.size(), max_bytes),
                                     {},
                                     {},
                                     {{"code", "DOCUMENT_TOO_LARGE"}}});
    for (size_t i = 0; i < source.size(); ++i)
        if (static_cast<unsigned char>(source[i]) < 0x20 && source[i] != '\t' && source[i] != '\n' && source[i] != '\r')
            return std::unexpected(syntax_error(
                source, i, fmt::format("Syntax Error: the character U+{:04X} can't stand in a document", source[i])));
    if (!is_utf8(source)) return std::unexpected(syntax_error(source, 0, "Syntax Error: the document is not UTF-8"));
    Document out;
    out.source = source;
    const char* const begin = out.source.data();
    const char* furthest = begin;
    try {
        tao::pegtl::memory_input<> in(begin, out.source.size(), "");
        const auto root = tree::parse<grammar::document, Kept, Action>(in, furthest);
        if (!root) {
            const auto at = static_cast<size_t>(furthest - begin);
            return std::unexpected(
                syntax_error(out.source, at, fmt::format("Syntax Error: unexpected {}", found_at(out.source, at))));
        }
        if (root->children.size() > max_definitions)
            return std::unexpected(syntax_error(out.source,
                                                static_cast<size_t>(root->children[max_definitions]->m_begin.data - begin),
                                                fmt::format("a document may have {} operations and fragments", max_definitions)));
        Builder(out).build(*root);
    } catch (const tao::pegtl::parse_error&) {
        return std::unexpected(syntax_error(out.source, static_cast<size_t>(furthest - begin),
                                            fmt::format("Syntax Error: nested deeper than {} levels", max_syntax_depth)));
    } catch (const Wrong& wrong) {
        return std::unexpected(syntax_error(out.source, wrong.at, wrong.message));
    }
    return out;
}

}  // namespace cvf::graphql
