// Changing directives over the API. Private to this room.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "api/call.h"
#include "directive/directive.h"

namespace cvf::api {

http::OutgoingResponse apply_one(const Call& call);      // PUT
http::OutgoingResponse apply_several(const Call& call);  // POST
http::OutgoingResponse remove_one(const Call& call);     // DELETE

// In any letter case.
std::optional<directive::Kind> kind_of(std::string_view name);
std::string no_kind(std::string_view name);
http::OutgoingResponse no_directives();

}  // namespace cvf::api
