// What a directive selects: nodes by name and label, records by one filter that is selector and filter in one.
//
// An owner's conditions (namespaces, pods, labels, containers, processes) must all hold at the same end of a conversation, at the
// source or at the destination; a record of a process itself is its own end. Interfaces are for the tap: no record has them.
//
// Thread rule: pure functions; a Filter may be asked by any thread.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "directive/directive.h"
#include "directive/pushdown.h"
#include "filter/filter.h"
#include "record/json.h"

namespace cvf::directive {

using filter::TypeBits;

// Whether the node is meant.
bool selects_node(const Selector& selector, std::string_view name, const Labels& labels);

// Types of records a directive is about: those it names, all where it names none; of a Flow its one; none of Topology.
TypeBits types_of(const Directive& directive);

// The selector's conditions on records as an expression of the filter language; "true" where there are none.
std::string selector_expression(const Selector& selector);

// The conditions of a selector, not of its filter, that hold records of namespaces back: no end lies in one of them.
std::string exclusion_expression(const std::vector<std::string>& namespaces);

struct Selection {
    TypeBits types;
    filter::Filter filter;                     // selector && filter && what a policy adds
    std::optional<record::Projection> fields;  // nothing: all
    Pushdown pushdown;                         // of the filter and the types; a superset
};

// `restriction`: a further expression that must hold, from a policy; empty: none. The error is one sentence; a directive from
// parse() gives one only where the restriction makes the whole too large.
std::expected<Selection, std::string> compile(const Directive& directive, std::string_view restriction = {});

// A Capture's trigger with its selector, likewise.
std::expected<filter::Filter, std::string> compile_trigger(const Directive& directive, std::string_view restriction = {});

}  // namespace cvf::directive
