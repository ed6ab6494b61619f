#include "graphql/execute.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "graphql/collect.h"
#include "graphql/introspection.h"
#include "graphql/validate.h"

namespace cvf::graphql {
namespace {

namespace json = boost::json;

// Where in the answer we are; on the stack.
struct Path {
    const Path* up = nullptr;
    std::string_view name = {};
    size_t index = 0;  // where there is no name

    json::array list() const {
        json::array out;
        for (const Path* at = this; at; at = at->up) {
            if (at->name.empty())
                out.emplace_back(at->index);
            else
                out.emplace_back(at->name);
        }
        std::reverse(out.begin(), out.end());
        return out;
    }
};

// A JSON value of the Source's, or something of the schema.
using View = std::variant<const json::value*, Meta>;

// What a scalar or an enumeration looks like in an answer; nothing: the value is none.
std::optional<json::value> leaf(const json::value& value, const Type& type) {
    if (type.kind == TypeKind::enumeration) {
        if (!value.is_string()) return std::nullopt;
        const std::string_view text(value.get_string().data(), value.get_string().size());
        const auto found = std::ranges::find(type.values, text, &EnumDef::value);
        return found == type.values.end() ? std::nullopt : std::optional<json::value>(found->name);
    }
    if (type.name == "Int") {
        const auto n = value.is_int64() ? std::optional(value.get_int64()) : std::nullopt;
        return n && *n >= INT32_MIN && *n <= INT32_MAX ? std::optional<json::value>(*n) : std::nullopt;
    }
    const bool good = type.name == "String"                           ? value.is_string()
                      : type.name == "Boolean"                        ? value.is_bool()
                      : type.name == "Float"                          ? value.is_number()
                      : type.name == "UInt64" || type.name == "Int64" ? value.is_int64() || value.is_uint64()
                                                                      : true;
    return good ? std::optional(value) : std::nullopt;
}

class Execution {
 public:
    Execution(const Request& request, Source* source) : request_(request), source_(source), collector_(request) {}

    Collector& collector() { return collector_; }

    json::object run(const json::value& root) {
        const Type& type = *request_.schema.root(request_.operation.kind);
        auto data = object(type, collector_.root(), &root, nullptr);
        json::object out;
        if (too_large_) {
            errors_.clear();
            errors_.push_back(Error{fmt::format("the answer has more than {} values: ask for less", request_.limits.values),
                                    {},
                                    {},
                                    {{"code", "ANSWER_TOO_LARGE"}}}
                                  .json());
            data.reset();
        }
        if (!errors_.empty()) out["errors"] = std::move(errors_);
        out["data"] = data ? std::move(*data) : json::value(nullptr);
        return out;
    }

 private:
    using Made = std::optional<json::value>;  // nothing: an error that takes what is above with it

    bool count() {
        too_large_ = too_large_ || ++values_ > request_.limits.values;
        return !too_large_;
    }

    void fail(const FieldGroup& group, const Path& path, std::string message, json::object extensions = {},
              size_t at = SIZE_MAX) {
        if (errors_.size() >= max_errors) return;
        Error error{std::move(message), {}, path.list(), std::move(extensions)};
        if (at != SIZE_MAX)
            error.places.push_back(request_.document.place(at));
        else
            for (const Selection* node : group.nodes) error.places.push_back(request_.document.place(node->at));
        errors_.push_back(error.json());
    }

    Made object(const Type& type, const FieldGroups& groups, const View& of, const Path* up) {
        json::object out;
        out.reserve(groups.size());
        for (const FieldGroup& group : groups) {
            const Path path{up, group.name};
            if (!count()) return std::nullopt;
            Made made = field(type, group, of, path);
            if (!made) {
                if (group.def->type.non_null()) return std::nullopt;
                made = json::value(nullptr);
            }
            out[group.name] = std::move(*made);
        }
        return json::value(std::move(out));
    }

    Made field(const Type& parent, const FieldGroup& group, const View& of, const Path& path) {
        if (!group.arguments) {
            fail(group, path, group.arguments.error().message, {}, group.arguments.error().at);
            return std::nullopt;
        }
        const std::string_view name = group.def->name;
        if (name == "__typename") return json::value(parent.name);
        if (name == "__schema") return complete(group.def->type, group, Meta(&request_.schema), path);
        if (name == "__type") {
            const json::string& wanted = group.arguments->at("name").as_string();
            const Type* found = request_.schema.type({wanted.data(), wanted.size()});
            return found ? complete(group.def->type, group, Meta(TypeRef{found, ""}), path) : Made(nullptr);
        }
        if (group.def->resolve) {
            const auto made = group.def->resolve({*source_, *group.arguments, [&] { return collector_.record_keys(group); },
                                                  [&](std::string_view type) { return collector_.reaches(group, type); }});
            if (!made) {
                json::object extensions = made.error().extensions;
                extensions["code"] = made.error().code;
                fail(group, path, made.error().message, std::move(extensions));
                return std::nullopt;
            }
            return complete(group.def->type, group, &*made, path);
        }
        if (const auto* meta = std::get_if<Meta>(&of)) {
            const MetaValue value = meta_field(*meta, name);
            if (const auto* plain = std::get_if<json::value>(&value)) return complete(group.def->type, group, plain, path);
            if (const auto* one = std::get_if<Meta>(&value)) return complete(group.def->type, group, *one, path);
            return metas(group, std::get<std::vector<Meta>>(value), path);
        }
        const json::object* object = std::get<const json::value*>(of)->if_object();
        const json::value* value = object ? object->if_contains(group.def->key.empty() ? name : group.def->key) : nullptr;
        static const json::value nothing(nullptr);
        return complete(group.def->type, group, value ? value : &nothing, path);
    }

    Made metas(const FieldGroup& group, const std::vector<Meta>& items, const Path& path) {
        TypeRef type = group.def->type.nullable().inside();
        json::array out;
        for (size_t i = 0; i < items.size(); ++i) {
            Made made = complete(type, group, items[i], {&path, {}, i});
            if (!made) return made;
            out.push_back(std::move(*made));
        }
        return json::value(std::move(out));
    }

    Made complete(TypeRef type, const FieldGroup& group, const View& view, const Path& path) {
        const auto* value = std::get_if<const json::value*>(&view);
        if (value && (*value)->is_null()) {
            if (!type.non_null()) return json::value(nullptr);
            fail(group, path, fmt::format("\"{}\" must not be null and is", group.def->name));
            return std::nullopt;
        }
        type = type.nullable();
        if (type.list()) return list(type, group, value ? (*value)->if_array() : nullptr, path);
        if (!type.named->composite()) {
            Made made = value ? leaf(**value, *type.named) : std::nullopt;
            if (!made) fail(group, path, fmt::format("the value of \"{}\" is no {}", group.def->name, type.named->name));
            return made;
        }
        const Type* object_type = type.named;
        if (object_type->kind == TypeKind::interface) {
            object_type = value ? concrete(*object_type, **value) : nullptr;
            if (!object_type) {
                fail(group, path,
                     fmt::format("the value of \"{}\" is of no known type of {}", group.def->name, type.named->name));
                return std::nullopt;
            }
        }
        return object(*object_type, collector_.below(group, *object_type), view, &path);
    }

    Made list(TypeRef type, const FieldGroup& group, const json::array* items, const Path& path) {
        if (!items) {
            fail(group, path, fmt::format("the value of \"{}\" is no list", group.def->name));
            return std::nullopt;
        }
        json::array out;
        out.reserve(items->size());
        for (size_t i = 0; i < items->size(); ++i) {
            if (!count()) return std::nullopt;
            Made made = complete(type.inside(), group, &(*items)[i], {&path, {}, i});
            if (!made) {
                if (type.inside().non_null()) return std::nullopt;
                made = json::value(nullptr);
            }
            out.push_back(std::move(*made));
        }
        return json::value(std::move(out));
    }

    static const Type* concrete(const Type& interface, const json::value& value) {
        const json::object* object = value.if_object();
        const json::value* type = object ? object->if_contains("record.type") : nullptr;
        if (!type || !type->is_string()) return nullptr;
        const std::string_view name(type->get_string().data(), type->get_string().size());
        for (const Type* possible : interface.possible)
            if (possible->when == name) return possible;
        return nullptr;
    }

    const Request& request_;
    Source* source_;
    Collector collector_;
    json::array errors_;
    size_t values_ = 0;
    bool too_large_ = false;
};

}  // namespace

json::object execute(const Request& request, Source& source) {
    return Execution(request, &source).run(json::object{});
}

std::expected<std::unique_ptr<RecordStream>, Error> subscribe(const Request& request, Source& source,
                                                              std::function<void()> wake) {
    Collector collector(request);
    const FieldGroups& groups = collector.root();
    if (groups.empty() || !groups.front().def->follow)
        return std::unexpected(Error{"the subscription asks for nothing", {}, {}, {{"code", "BAD_USER_INPUT"}}});
    const FieldGroup& group = groups.front();
    const auto places = [&](size_t at) { return std::vector{request.document.place(at)}; };
    if (!group.arguments)
        return std::unexpected(
            Error{group.arguments.error().message, places(group.arguments.error().at), {}, {{"code", "BAD_USER_INPUT"}}});
    auto stream =
        group.def->follow({source, *group.arguments, [&] { return collector.record_keys(group); }, {}}, std::move(wake));
    if (!stream) {
        json::object extensions = stream.error().extensions;
        extensions["code"] = stream.error().code;
        return std::unexpected(
            Error{stream.error().message, places(group.node().at), {json::value(group.name)}, std::move(extensions)});
    }
    return std::move(*stream);
}

json::object execute_event(const Request& request, json::value event) {
    return Execution(request, nullptr).run(json::object{{"records", std::move(event)}});
}

}  // namespace cvf::graphql
