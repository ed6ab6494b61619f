// The table of keys as a JSON Schema (draft 2020-12) and as the reference in docs/directives.md. What a schema cannot say — that
// an expression is one, that a Capture ends — stands in the descriptions and is checked by parse() alone.
#pragma once

#include <string>

namespace cvf::directive {

std::string json_schema();     // schema/directive.schema.json
std::string reference_page();  // the part of docs/directives.md below its marker

}  // namespace cvf::directive
