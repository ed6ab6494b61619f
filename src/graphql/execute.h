// Answers a valid operation: picks from what a Source gives what was asked. GraphQL October 2021, section 6.
//
// Thread rule: one thread; it waits as long as the Source does. Errors are part of the answer, each with its path; a null where
// there must be none takes the next that may be null with it. Limit: Limits::values, beyond which there is an error and no data.
#pragma once

#include <boost/json/object.hpp>
#include <expected>
#include <memory>

#include "graphql/limits.h"
#include "graphql/schema.h"
#include "graphql/syntax.h"

namespace cvf::graphql {

struct Request {
    const Schema& schema;
    const Document& document;
    const Operation& operation;
    const boost::json::object& variables;  // coerced
    const Limits& limits;
};

// {"data": …, "errors": […]}; of a query or a mutation.
boost::json::object execute(const Request& request, Source& source);

// Begins a subscription, and makes an answer of each of its events. The error is the request's.
std::expected<std::unique_ptr<RecordStream>, Error> subscribe(const Request& request, Source& source, std::function<void()> wake);
boost::json::object execute_event(const Request& request, boost::json::value event);

}  // namespace cvf::graphql
