// Files for browsers, built into the program (web/, cmake/Pages.cmake). There are none where it was built without them.
//
// They are public: nothing in them is secret, and a browser can't send a token with the address it is told to open. They load
// nothing from elsewhere, and their policy forbids it. Thread rule: constant.
#pragma once

#include <string_view>
#include <vector>

#include "api/call.h"

namespace cvf::api {

struct Asset {
    std::string_view name;
    std::string_view gzip;  // RFC 1952
};

const std::vector<Asset>& assets();
const Asset* find_asset(std::string_view name);

// 501 when there is none of this name because there are none at all, else 404. As it is to who takes gzip, unpacked to others.
http::OutgoingResponse asset_response(const Call& call, std::string_view name);

}  // namespace cvf::api
