// Errors over HTTP: application/problem+json (RFC 9457). No state, any thread.
#pragma once

#include <string>
#include <string_view>

#include "directive/problem.h"
#include "http/server.h"

namespace cvf::api {

struct Problem {
    unsigned status = 400;
    std::string title = {};             // the same for every occurrence of this kind
    std::string detail = {};            // this occurrence, for people
    std::string parameter = {};         // query parameter at fault; empty: none
    size_t column = 0;                  // in that parameter's value, in characters from 1; 0: not known
    directive::Problems problems = {};  // of a document: everything that is wrong with it
};

http::OutgoingResponse to_response(const Problem& problem);

// What is in a problem's body, from a server that may be someone else. Control characters are taken out of texts, and they are
// cut at 500 bytes.
Problem parse_problem(unsigned status, std::string_view body);

}  // namespace cvf::api
