// A schema in the schema definition language, in the form that graphql-js's printSchema gives it, so that the two can be compared
// byte by byte.
#include <fmt/format.h>

#include <boost/json/serialize.hpp>

#include "graphql/schema.h"

namespace cvf::graphql {
namespace {

constexpr std::string_view builtin[] = {"String", "Boolean", "Int", "Float", "ID"};

bool is_builtin(const Type& type) {
    for (const std::string_view name : builtin)
        if (type.name == name) return true;
    return type.name.starts_with("__");
}

size_t utf16_units(std::string_view text) {
    size_t out = 0;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if ((byte & 0xC0) != 0x80) out += byte >= 0xF0 ? 2 : 1;
    }
    return out;
}

// Descriptions of ours are one line each, without blanks at either end.
void description(std::string& out, std::string_view text, std::string_view indent, bool first) {
    if (text.empty()) return;
    if (!first) out += '\n';
    const bool quote = text.ends_with('"') && !text.ends_with("\\\"\"\""), slash = text.ends_with('\\');
    std::string escaped;
    for (size_t i = 0; i < text.size(); ++i) {
        if (text.substr(i).starts_with("\"\"\"")) {
            escaped += "\\\"\"\"";
            i += 2;
        } else {
            escaped += text[i];
        }
    }
    if (utf16_units(text) > 70 || quote || slash)
        fmt::format_to(std::back_inserter(out), "{0}\"\"\"\n{0}{1}\n{0}\"\"\"\n", indent, escaped);
    else
        fmt::format_to(std::back_inserter(out), "{}\"\"\"{}\"\"\"\n", indent, escaped);
}

void input(std::string& out, const InputDef& def) {
    fmt::format_to(std::back_inserter(out), "{}: {}", def.name, def.type.show());
    if (def.fallback) fmt::format_to(std::back_inserter(out), " = {}", print_value(*def.fallback, def.type));
}

void inputs(std::string& out, const std::vector<InputDef>& defs, std::string_view indent) {
    if (defs.empty()) return;
    bool told = false;
    for (const InputDef& def : defs) told |= !def.doc.empty();
    out += '(';
    const std::string deeper = std::string(indent) + "  ";
    for (size_t i = 0; i < defs.size(); ++i) {
        if (told) {
            out += '\n';
            description(out, defs[i].doc, deeper, i == 0);
            out += deeper;
        } else if (i) {
            out += ", ";
        }
        input(out, defs[i]);
    }
    if (told) fmt::format_to(std::back_inserter(out), "\n{}", indent);
    out += ')';
}

void fields(std::string& out, const Type& type) {
    out += " {\n";
    for (size_t i = 0; i < type.fields.size(); ++i) {
        const FieldDef& field = type.fields[i];
        description(out, field.doc, "  ", i == 0);
        fmt::format_to(std::back_inserter(out), "  {}", field.name);
        inputs(out, field.inputs, "  ");
        fmt::format_to(std::back_inserter(out), ": {}\n", field.type.show());
    }
    out += '}';
}

void print(std::string& out, const Type& type) {
    description(out, type.doc, "", true);
    switch (type.kind) {
        case TypeKind::scalar:
            fmt::format_to(std::back_inserter(out), "scalar {}", type.name);
            if (!type.specified_by.empty())
                fmt::format_to(std::back_inserter(out), " @specifiedBy(url: {})",
                               boost::json::serialize(boost::json::value(type.specified_by)));
            break;
        case TypeKind::object:
        case TypeKind::interface:
            fmt::format_to(std::back_inserter(out), "{} {}", type.kind == TypeKind::object ? "type" : "interface", type.name);
            for (size_t i = 0; i < type.interfaces.size(); ++i)
                fmt::format_to(std::back_inserter(out), "{}{}", i ? " & " : " implements ", type.interfaces[i]->name);
            fields(out, type);
            break;
        case TypeKind::enumeration:
            fmt::format_to(std::back_inserter(out), "enum {} {{\n", type.name);
            for (size_t i = 0; i < type.values.size(); ++i) {
                description(out, type.values[i].doc, "  ", i == 0);
                fmt::format_to(std::back_inserter(out), "  {}\n", type.values[i].name);
            }
            out += '}';
            break;
    }
}

}  // namespace

std::string print_value(const boost::json::value& value, TypeRef type) {
    if (const auto* list = value.if_array()) {
        std::string out = "[";
        for (const auto& item : *list) {
            if (out.size() > 1) out += ", ";
            out += print_value(item, type.nullable().list() ? type.nullable().inside() : type);
        }
        return out + ']';
    }
    if (const auto* text = value.if_string(); text && type.named->kind == TypeKind::enumeration)
        return std::string(text->data(), text->size());
    return boost::json::serialize(value);
}

std::string print_schema(const Schema& schema) {
    std::string out;
    for (const auto& type : schema.types()) {
        if (is_builtin(*type)) continue;
        if (!out.empty()) out += "\n\n";
        print(out, *type);
    }
    return out + '\n';
}

}  // namespace cvf::graphql
