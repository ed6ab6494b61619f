// Errors over HTTP: application/problem+json (RFC 9457). No state, any thread.
#pragma once

#include <string>
#include <string_view>

#include "http/server.h"

namespace cvf::api {

struct Problem {
    unsigned status = 400;
    std::string title;      // the same for every occurrence of this kind
    std::string detail;     // this occurrence, for people
    std::string parameter;  // query parameter at fault; empty: none
    size_t column = 0;      // in that parameter's value, in characters from 1; 0: not known
};

http::OutgoingResponse to_response(const Problem& problem);

// The text for people in a problem's body, from a server that may be someone else: "detail", else "title", else nothing. Control
// characters are taken out, and it is cut at 500 bytes.
Problem parse_problem(unsigned status, std::string_view body);

}  // namespace cvf::api
