// The API described in OpenAPI 3.1, made from the table of routes. Committed as schema/openapi.json; the schemas of records and
// directives stand beside it (and are served beside it) as files of their own.
//
// Pure. Source: OpenAPI Specification 3.1.0.
#pragma once

#include <string>

namespace cvf::api {

std::string openapi();  // JSON, with a line end

}  // namespace cvf::api
