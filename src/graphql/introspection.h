// A schema's own answers about itself. Private to this room; pure.
#pragma once

#include <boost/json/value.hpp>
#include <string_view>
#include <variant>
#include <vector>

#include "graphql/schema.h"

namespace cvf::graphql {

// Something of a schema, as the value of an introspection type. Borrows from the schema.
using Meta = std::variant<const Schema*, TypeRef, const FieldDef*, const InputDef*, const EnumDef*, const DirectiveDef*>;
using MetaValue = std::variant<boost::json::value, Meta, std::vector<Meta>>;

MetaValue meta_field(const Meta& meta, std::string_view name);

}  // namespace cvf::graphql
