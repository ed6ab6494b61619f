// The field table as a JSON Schema (draft 2020-12). Pure.
#pragma once

#include <string>
#include <string_view>

#include "record/fields.h"

namespace cvf::record {

std::string json_schema();  // schema/record.schema.json

// Whether records of this type can have the field.
bool belongs(const FieldInfo& field, std::string_view type);

}  // namespace cvf::record
