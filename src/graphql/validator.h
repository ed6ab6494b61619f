// The state of one validation. Private to validate*.cpp.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "graphql/validate.h"

namespace cvf::graphql {

class Validator {
 public:
    Validator(const Schema& schema, const Document& document) : schema_(schema), document_(document) {}
    std::vector<Error> run();

 private:
    // A variable where a value is wanted.
    struct Usage {
        std::string_view name;
        size_t at;
        std::optional<TypeRef> type;  // nothing: not known
        bool fallback;                // what it is for has a default value
    };
    // What an operation or a fragment refers to itself, without what its fragments do.
    struct References {
        std::vector<Usage> variables;
        std::vector<const Selection*> spreads;
    };

    void fail(std::string message, std::initializer_list<size_t> at);

    // validate.cpp: definitions, and what holds between them
    void operation_names();
    void definition(const Operation& operation);
    void definition(const Fragment& fragment);
    void cycles();
    void reach(const References& from, std::set<const Fragment*>& into);
    void variables_of(const Operation& operation);
    void single_field(const Operation& operation);
    void collect_root(const std::vector<Selection>& selections, std::set<std::string_view>& visited,
                      std::vector<const Selection*>& fields);

    // validate_selections.cpp
    void selections(const std::vector<Selection>& set, const Type* parent, References& references);
    void field(const Selection& field, const Type* parent, References& references);
    void spread(const Selection& spread, const Type* parent, References& references);
    void inline_fragment(const Selection& fragment, const Type* parent, References& references);
    void directives(const std::vector<DirectiveUse>& uses, std::string_view location, References& references);
    void arguments(const std::vector<Argument>& given, const std::vector<InputDef>* inputs, const std::string& of, size_t at,
                   References& references);
    const Type* condition(const std::string& name, size_t at);

    // validate_values.cpp
    void value(const Value& value, std::optional<TypeRef> type, bool fallback, References* references);
    void variables(const Operation& operation);
    static bool usable(const VariableDefinition& def, TypeRef of, const Usage& usage);

    const Schema& schema_;
    const Document& document_;
    std::vector<Error> errors_;
    std::map<const Operation*, References> operations_;
    std::map<const Fragment*, References> fragments_;
};

// overlap.cpp: fields of one name in the answer that are not the same. False: too much work.
bool overlapping_fields(const Schema& schema, const Document& document, std::vector<Error>& errors);

// "; did you mean x?", or nothing.
std::string did_you_mean(std::string_view name, const std::vector<std::string_view>& candidates);

}  // namespace cvf::graphql
