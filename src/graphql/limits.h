// How much one request may ask for, told before anything is done.
//
// Thread rule: pure. Fragments are counted wherever they are spread. Called for valid documents (no cycles).
#pragma once

#include <boost/json/object.hpp>
#include <optional>

#include "graphql/schema.h"
#include "graphql/syntax.h"

namespace cvf::graphql {

struct Limits {
    size_t bytes = 64 * 1024;  // of the document
    size_t depth = 20;         // of fields in fields; the introspection that tools ask for has 14
    size_t aliases = 100;      // fields with another name
    size_t cost = 1'000'000;   // fields in the answer, if every list is as long as it may be
    size_t introspection = 3;  // lists of introspection in each other: types, their fields, the arguments of these
    size_t values = 200'000;   // in the answer, as it is made; a page of 1000 records with a hundred fields has room
    size_t concurrent = 32;    // operations at once on a WebSocket
};

// The limit that the operation breaks.
std::optional<Error> check_limits(const Schema& schema, const Document& document, const Operation& operation,
                                  const boost::json::object& variables, const Limits& limits);

}  // namespace cvf::graphql
