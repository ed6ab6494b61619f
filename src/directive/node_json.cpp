// JSON to trees, over Boost's events, which show a key that stands twice.
#include <boost/json/basic_parser_impl.hpp>

#include <algorithm>

#include <fmt/format.h>

#include "directive/node.h"

namespace cvf::directive {

namespace {

namespace json = boost::json;

class Handler {
 public:
    static constexpr std::size_t max_object_size = 256;
    static constexpr std::size_t max_array_size = max_nodes;
    static constexpr std::size_t max_key_size = 4096;
    static constexpr std::size_t max_string_size = max_text_bytes;

    Node root;
    std::string complaint;

    bool on_document_begin(json::error_code&) { return true; }
    bool on_document_end(json::error_code&) { return true; }
    bool on_object_begin(json::error_code& e) { return enter(Node::Type::map, e); }
    bool on_object_end(std::size_t, json::error_code&) { return leave(); }
    bool on_array_begin(json::error_code& e) { return enter(Node::Type::list, e); }
    bool on_array_end(std::size_t, json::error_code&) { return leave(); }
    bool on_key_part(json::string_view part, std::size_t, json::error_code&) { return collect(part); }
    bool on_key(json::string_view part, std::size_t, json::error_code& e) {
        collect(part);
        Node& map = *open_.back();
        if (std::ranges::find(map.keys, text_, &Node::Key::text) != map.keys.end())
            return refuse(fmt::format("'{}' stands here a second time", text_), e);
        map.keys.push_back({std::exchange(text_, {}), {}});
        return true;
    }
    bool on_string_part(json::string_view part, std::size_t, json::error_code&) { return collect(part); }
    bool on_string(json::string_view part, std::size_t, json::error_code& e) {
        collect(part);
        return put(Node::Type::text, std::exchange(text_, {}), e);
    }
    bool on_number_part(json::string_view part, json::error_code&) { return collect(part); }
    // Numbers are kept as written: the values follow the last part.
    bool on_int64(int64_t, json::string_view part, json::error_code& e) { return number(part, e); }
    bool on_uint64(uint64_t, json::string_view part, json::error_code& e) { return number(part, e); }
    bool on_double(double, json::string_view part, json::error_code& e) { return number(part, e); }
    bool on_bool(bool value, json::error_code& e) { return put(Node::Type::flag, value ? "true" : "false", e); }
    bool on_null(json::error_code& e) { return put(Node::Type::null, {}, e); }
    bool on_comment_part(json::string_view, json::error_code&) { return true; }
    bool on_comment(json::string_view, json::error_code&) { return true; }

 private:
    bool refuse(std::string message, json::error_code& e) {
        complaint = std::move(message);
        e = json::error::extra_data;
        return false;
    }
    bool collect(json::string_view part) {
        text_.append(part.data(), part.size());
        return true;
    }
    bool number(json::string_view part, json::error_code& e) {
        collect(part);
        return put(Node::Type::number, std::exchange(text_, {}), e);
    }
    bool put(Node::Type type, std::string scalar, json::error_code& e) {
        if (++nodes_ > max_nodes) return refuse("this is too much for directives", e);
        Node node;
        node.type = type;
        node.scalar = std::move(scalar);
        if (open_.empty()) {
            root = std::move(node);
            last_ = &root;
        } else {
            open_.back()->children.push_back(std::move(node));
            last_ = &open_.back()->children.back();
        }
        return true;
    }
    bool enter(Node::Type type, json::error_code& e) {
        if (open_.size() == max_depth) return refuse(fmt::format("nested more than {} deep", max_depth), e);
        if (!put(type, {}, e)) return false;
        open_.push_back(last_);
        return true;
    }
    bool leave() {
        open_.pop_back();
        return true;
    }

    std::string text_;
    std::vector<Node*> open_;  // see the YAML builder: no pointer moves while it is here
    Node* last_ = nullptr;
    size_t nodes_ = 0;
};

}  // namespace

Trees read_json(std::string_view text) {
    Problem problem;
    if (text.size() > max_text_bytes) {
        problem.message = "larger than 1 MiB; directives are not";
        return std::unexpected(std::move(problem));
    }
    json::parse_options options;
    options.max_depth = max_depth + 1;  // ours speaks first
    json::basic_parser<Handler> parser(options);
    json::error_code error;
    size_t used = parser.write_some(false, text.data(), text.size(), error);
    while (!error && used < text.size() && std::string_view(" \t\r\n").find(text[used]) != std::string_view::npos) ++used;
    Handler& handler = parser.handler();
    if (error || used < text.size()) {
        const std::string_view before = text.substr(0, used);
        problem.line = 1 + static_cast<size_t>(std::ranges::count(before, '\n'));
        problem.column = before.size() - (before.rfind('\n') + 1) + 1;  // npos + 1 is 0
        problem.message = !handler.complaint.empty() ? std::move(handler.complaint)
                          : error                    ? fmt::format("this is not JSON: {}", error.message())
                                                     : std::string("this is not JSON: something follows its end");
        return std::unexpected(std::move(problem));
    }
    std::vector<Node> documents;
    Node& root = handler.root;
    if (root.type == Node::Type::list) {
        if (root.children.size() > max_documents) {
            problem.message = fmt::format("more than {} documents in one text", max_documents);
            return std::unexpected(std::move(problem));
        }
        documents = std::move(root.children);
    } else if (root.type != Node::Type::null) {
        documents.push_back(std::move(root));
    }
    return documents;
}

}  // namespace cvf::directive
