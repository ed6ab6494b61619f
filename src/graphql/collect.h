// Which fields of an object are asked for: fragments expanded, @skip and @include heeded, the same names merged (section 6.3.2).
//
// What is found once is kept: the thousandth record of a page asks no more than the first. Thread rule: one thread. Private to
// this room.
#pragma once

#include <deque>
#include <expected>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "graphql/coerce.h"
#include "graphql/execute.h"

namespace cvf::graphql {

struct FieldGroup {
    std::string_view name;  // in the answer
    std::vector<const Selection*> nodes;
    const FieldDef* def = nullptr;
    std::expected<boost::json::object, ArgumentError> arguments;

    const Selection& node() const { return *nodes.front(); }
};
using FieldGroups = std::vector<FieldGroup>;

class Collector {
 public:
    explicit Collector(const Request& request) : request_(request) {}

    const FieldGroups& root();
    // Of an object of this type that is the value of `of`.
    const FieldGroups& below(const FieldGroup& of, const Type& type);
    // Keys of record fields anywhere below.
    std::vector<std::string> record_keys(const FieldGroup& of);
    // Is a field whose value is of this type anywhere below?
    bool reaches(const FieldGroup& of, std::string_view type);

 private:
    struct Builder;
    FieldGroups make(const std::vector<const std::vector<Selection>*>& sets, const Type& type) const;
    void keys_below(const FieldGroup& of, std::set<std::string>& out);

    const Request& request_;
    std::map<std::pair<const FieldGroup*, const Type*>, std::unique_ptr<FieldGroups>> kept_;
};

}  // namespace cvf::graphql
