// A request from text to answer: parse, validate, choose the operation, coerce variables, limits, execute.
//
// Thread rule: prepare() is pure. Errors: Rejected, whose errors stand in the answer without data.
#pragma once

#include <boost/json/object.hpp>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "graphql/execute.h"

namespace cvf::graphql {

// As it comes over HTTP and WebSocket.
struct RequestText {
    std::string query;
    std::string operation_name;  // empty: the only one
    boost::json::object variables;
};

// The members of a JSON object: query, operationName, variables, extensions. The error is a sentence.
std::expected<RequestText, std::string> request_text(const boost::json::value& body);

// A request that can be executed; owns what it needs.
class Prepared {
 public:
    const Operation& operation() const { return *operation_; }
    // Borrows from this.
    Request request() const { return {*schema_, document_, *operation_, variables_, limits_}; }

 private:
    friend std::expected<std::shared_ptr<const Prepared>, struct Rejected> prepare(const Schema&, const RequestText&,
                                                                                   const Limits&);
    const Schema* schema_ = nullptr;
    Document document_;
    const Operation* operation_ = nullptr;
    boost::json::object variables_;
    Limits limits_;
};

struct Rejected {
    std::vector<Error> errors;
    boost::json::object json() const;  // {"errors": […]}
    boost::json::array list() const;
};

std::expected<std::shared_ptr<const Prepared>, Rejected> prepare(const Schema& schema, const RequestText& text,
                                                                 const Limits& limits);

}  // namespace cvf::graphql
