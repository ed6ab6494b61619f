// The field table as a JSON Schema (draft 2020-12). Pure.
#pragma once

#include <string>
#include <string_view>

#include "record/fields.h"

namespace cvf::record {

std::string json_schema();  // schema/record.schema.json

// Whether the field table names this type for the field.
bool belongs(const FieldInfo& field, std::string_view type);
// Whether records of this type can have the field: those, and of a metric whatever it was grouped by.
bool can_have(RecordType type, const FieldInfo& field);

}  // namespace cvf::record
