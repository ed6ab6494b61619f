// The types by which a schema describes itself, and the standard directives. GraphQL October 2021, sections 3.13 and 4.2.
#include <utility>

#include "graphql/introspection.h"

namespace cvf::graphql {
namespace {

void enumeration(Schema& schema, std::string name, std::string doc, std::initializer_list<const char*> values) {
    Type& type = schema.add(TypeKind::enumeration, std::move(name), std::move(doc));
    for (const char* value : values) type.values.push_back({value, {}, value});
}

}  // namespace

void Schema::add_introspection() {
    for (const auto& [name, doc] : {std::pair{"String", "UTF-8 text."},
                                    {"Boolean", "`true` or `false`."},
                                    {"Int", "A whole number of 32 bits, signed."},
                                    {"Float", "A number, IEEE 754 double."}})
        if (!type(name)) add(TypeKind::scalar, name, doc);
    const Type *string = type("String"), *boolean = type("Boolean");
    Type& schema = add(TypeKind::object, "__Schema", "What a server can be asked.");
    Type& type_type = add(TypeKind::object, "__Type", "A type of any kind, or a list or non-null of one.");
    Type& field = add(TypeKind::object, "__Field", "A field of an object or an interface.");
    Type& input = add(TypeKind::object, "__InputValue", "An argument, or a field of an input object.");
    Type& value = add(TypeKind::object, "__EnumValue", "One value of an enumeration.");
    Type& directive = add(TypeKind::object, "__Directive", "A directive that requests may use.");
    enumeration(*this, "__TypeKind", "What kind a type is of.",
                {"SCALAR", "OBJECT", "INTERFACE", "UNION", "ENUM", "INPUT_OBJECT", "LIST", "NON_NULL"});
    enumeration(*this, "__DirectiveLocation", "Where a directive may stand.",
                {"QUERY", "MUTATION", "SUBSCRIPTION", "FIELD", "FRAGMENT_DEFINITION", "FRAGMENT_SPREAD", "INLINE_FRAGMENT",
                 "VARIABLE_DEFINITION", "SCHEMA", "SCALAR", "OBJECT", "FIELD_DEFINITION", "ARGUMENT_DEFINITION", "INTERFACE",
                 "UNION", "ENUM", "ENUM_VALUE", "INPUT_OBJECT", "INPUT_FIELD_DEFINITION"});
    const TypeRef text{string, ""}, name{string, "!"}, flag{boolean, "!"};
    const InputDef deprecated{"includeDeprecated", {}, {boolean, ""}, false};
    schema.fields = {{"description", {}, text},
                     {"types", {}, {&type_type, "![!"}},
                     {"queryType", {}, {&type_type, "!"}},
                     {"mutationType", {}, {&type_type, ""}},
                     {"subscriptionType", {}, {&type_type, ""}},
                     {"directives", {}, {&directive, "![!"}}};
    type_type.fields = {{"kind", {}, {type("__TypeKind"), "!"}},
                        {"name", {}, text},
                        {"description", {}, text},
                        {"specifiedByURL", {}, text},
                        {"fields", {}, {&field, "[!"}, {deprecated}},
                        {"interfaces", {}, {&type_type, "[!"}},
                        {"possibleTypes", {}, {&type_type, "[!"}},
                        {"enumValues", {}, {&value, "[!"}, {deprecated}},
                        {"inputFields", {}, {&input, "[!"}, {deprecated}},
                        {"ofType", {}, {&type_type, ""}}};
    field.fields = {{"name", {}, name},
                    {"description", {}, text},
                    {"args", {}, {&input, "![!"}, {deprecated}},
                    {"type", {}, {&type_type, "!"}},
                    {"isDeprecated", {}, flag},
                    {"deprecationReason", {}, text}};
    input.fields = {{"name", {}, name},         {"description", {}, text},  {"type", {}, {&type_type, "!"}},
                    {"defaultValue", {}, text}, {"isDeprecated", {}, flag}, {"deprecationReason", {}, text}};
    value.fields = {{"name", {}, name}, {"description", {}, text}, {"isDeprecated", {}, flag}, {"deprecationReason", {}, text}};
    directive.fields = {{"name", {}, name},
                        {"description", {}, text},
                        {"isRepeatable", {}, flag},
                        {"locations", {}, {type("__DirectiveLocation"), "![!"}},
                        {"args", {}, {&input, "![!"}, {deprecated}}};
    schema_field_ = {"__schema", {}, {&schema, "!"}};
    type_field_ = {"__type", {}, {&type_type, ""}, {{"name", {}, name}}};
    typename_field_ = {"__typename", {}, name};
    const std::vector<std::string_view> selections{"FIELD", "FRAGMENT_SPREAD", "INLINE_FRAGMENT"};
    directives_ = {
        {"include", "Asks for this only if the condition holds.", selections, {{"if", "The condition.", flag}}},
        {"skip", "Leaves this out if the condition holds.", selections, {{"if", "The condition.", flag}}},
        {"deprecated",
         "Marks what should not be used any more.",
         {"FIELD_DEFINITION", "ARGUMENT_DEFINITION", "INPUT_FIELD_DEFINITION", "ENUM_VALUE"},
         {{"reason", "Why, and what to use instead.", text, boost::json::value("No longer supported")}}},
        {"specifiedBy", "Says where a scalar is specified.", {"SCALAR"}, {{"url", "Where.", name}}},
    };
}

namespace {

namespace json = boost::json;

json::value text_or_null(const std::string& text) {
    return text.empty() ? json::value(nullptr) : json::value(text);
}

template <typename Range>
std::vector<Meta> each(const Range& range) {
    std::vector<Meta> out;
    for (const auto& item : range) out.emplace_back(&item);
    return out;
}

MetaValue of_schema(const Schema& schema, std::string_view name) {
    if (name == "types") {
        std::vector<Meta> out;
        for (const auto& type : schema.types()) out.emplace_back(TypeRef{type.get(), ""});
        return out;
    }
    if (name == "directives") return each(schema.directives());
    const OperationKind kind = name == "queryType"      ? OperationKind::query
                               : name == "mutationType" ? OperationKind::mutation
                                                        : OperationKind::subscription;
    const Type* type = name.ends_with("Type") ? schema.root(kind) : nullptr;
    return type ? MetaValue(Meta(TypeRef{type, ""})) : MetaValue(json::value(nullptr));
}

MetaValue of_types(const std::vector<const Type*>& types) {
    std::vector<Meta> out;
    for (const Type* type : types) out.emplace_back(TypeRef{type, ""});
    return out;
}

MetaValue of_type(TypeRef type, std::string_view name) {
    const Type& named = *type.named;
    const bool wrapped = !type.wraps.empty();
    static constexpr const char* kinds[] = {"SCALAR", "OBJECT", "INTERFACE", "ENUM"};
    if (name == "kind")
        return json::value(type.non_null() ? "NON_NULL" : wrapped ? "LIST" : kinds[static_cast<size_t>(named.kind)]);
    if (name == "ofType") return wrapped ? MetaValue(Meta(type.inside())) : MetaValue(json::value(nullptr));
    if (wrapped) return json::value(nullptr);
    if (name == "name") return json::value(named.name);
    if (name == "description") return text_or_null(named.doc);
    if (name == "specifiedByURL") return text_or_null(named.specified_by);
    if (name == "fields" && named.composite()) return each(named.fields);
    if (name == "interfaces" && named.composite()) return of_types(named.interfaces);
    if (name == "possibleTypes" && named.kind == TypeKind::interface) return of_types(named.possible);
    if (name == "enumValues" && named.kind == TypeKind::enumeration) return each(named.values);
    return json::value(nullptr);
}

}  // namespace

MetaValue meta_field(const Meta& meta, std::string_view name) {
    if (const auto* schema = std::get_if<const Schema*>(&meta)) return of_schema(**schema, name);
    if (const auto* type = std::get_if<TypeRef>(&meta)) return of_type(*type, name);
    if (name.starts_with("is")) return json::value(false);  // isDeprecated, isRepeatable: nothing here is
    if (name == "deprecationReason") return json::value(nullptr);
    return std::visit(
        [&](const auto& thing) -> MetaValue {
            using Thing = std::decay_t<decltype(thing)>;
            if constexpr (!std::is_same_v<Thing, TypeRef> && !std::is_same_v<Thing, const Schema*>) {
                if (name == "name") return json::value(thing->name);
                if (name == "description") return text_or_null(thing->doc);
                if constexpr (std::is_same_v<Thing, const FieldDef*> || std::is_same_v<Thing, const InputDef*>)
                    if (name == "type") return Meta(thing->type);
                if constexpr (std::is_same_v<Thing, const FieldDef*> || std::is_same_v<Thing, const DirectiveDef*>)
                    if (name == "args") return each(thing->inputs);
                if constexpr (std::is_same_v<Thing, const InputDef*>)
                    if (name == "defaultValue" && thing->fallback) return json::value(print_value(*thing->fallback, thing->type));
                if constexpr (std::is_same_v<Thing, const DirectiveDef*>) {
                    if (name == "locations") {
                        json::array out;
                        for (const std::string_view location : thing->locations) out.emplace_back(location);
                        return json::value(std::move(out));
                    }
                }
            }
            return json::value(nullptr);
        },
        meta);
}

}  // namespace cvf::graphql
