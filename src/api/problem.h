// What goes wrong, as one value for REST, where it becomes application/problem+json (RFC 9457), and for GraphQL. No state, any
// thread.
#pragma once

#include <string>
#include <string_view>

#include <boost/json/array.hpp>

#include "directive/problem.h"
#include "history/query.h"
#include "http/server.h"

namespace cvf::api {

struct Problem {
    unsigned status = 400;
    std::string title = {};             // the same for every occurrence of this kind
    std::string detail = {};            // this occurrence, for people
    std::string parameter = {};         // query parameter at fault; empty: none
    size_t column = 0;                  // in that parameter's value, in characters from 1; 0: not known
    directive::Problems problems = {};  // of a document: everything that is wrong with it
    unsigned retry_after = 0;           // seconds; 0: not told
};

// Those that several have.
Problem not_here_problem(std::string_view what);                                          // 501: "this process has {what}"
Problem parameter_problem(std::string_view name, std::string detail, size_t column = 0);  // 400
Problem too_many_problem(std::string detail);                                             // 503
Problem invalid_problem(directive::Problems problems);                                    // 422
Problem problem_of(const history::QueryError& error);

boost::json::array problems_json(const directive::Problems& problems);

// Texts of foreign bytes are made UTF-8.
http::OutgoingResponse to_response(const Problem& problem);

// What is in a problem's body, from a server that may be someone else. Control characters are taken out of texts, and they are
// cut at 500 bytes.
Problem parse_problem(unsigned status, std::string_view body);

}  // namespace cvf::api
