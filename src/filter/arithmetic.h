// CEL's arithmetic: what does not fit is an error, never a wrap-around. Pure functions; no allocation, no exceptions.
#pragma once

#include "filter/program.h"

namespace cvf::filter {

// a op b, both of `type` (for times and durations: the type of the result). False on overflow, division by zero, or a value that
// is not of its type: a uint field above int64.
bool calculate(Op op, Type type, const record::Value& a, const record::Value& b, record::Value& out) noexcept;

// -a.
bool negate(const record::Value& a, Type type, record::Value& out) noexcept;

// int(), uint() and double() of a number, a string or a time. False when it does not fit or is no number.
bool convert(Type to, const record::Value& from, record::Value& out) noexcept;

}  // namespace cvf::filter
