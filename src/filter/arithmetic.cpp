#include "filter/arithmetic.h"

#include <charconv>
#include <limits>
#include <string_view>
#include <type_traits>

namespace cvf::filter {

using record::Kind;
using record::Value;

namespace {

// A uint field is an int as long as it fits.
bool as_integer(const Value& v, int64_t& out) noexcept {
    out = v.sint;
    return v.kind == Kind::sint || v.kind == Kind::time || (v.kind == Kind::uint && v.sint >= 0);
}

// CEL's int and uint, which differ only in their type here.
template <typename T>
bool calculate_whole(Op op, T a, T b, T& out) noexcept {
    switch (op) {
        case Op::add:
            return !__builtin_add_overflow(a, b, &out);
        case Op::subtract:
            return !__builtin_sub_overflow(a, b, &out);
        case Op::multiply:
            return !__builtin_mul_overflow(a, b, &out);
        default:
            break;
    }
    if (b == 0) return false;
    if constexpr (std::numeric_limits<T>::is_signed)
        if (b == -1 && a == std::numeric_limits<T>::min()) return false;
    out = op == Op::divide ? a / b : a % b;
    return true;
}

template <typename T>
bool parse_number(std::string_view text, T& out) noexcept {
    // As in Go, a number that may be negative may also have a plus, which from_chars does not know.
    if (std::is_signed_v<T> && text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), out);
    return !text.empty() && failure == std::errc{} && end == text.data() + text.size();
}

bool to_real(const Value& from, double& out) noexcept {
    switch (from.kind) {
        case Kind::real:
            out = from.real;
            return true;
        case Kind::sint:
            out = static_cast<double>(from.sint);
            return true;
        case Kind::uint:
            out = static_cast<double>(from.uint);
            return true;
        default:
            return from.kind == Kind::text && parse_number(from.as_text(), out);
    }
}

bool to_unsigned(const Value& from, uint64_t& out) noexcept {
    switch (from.kind) {
        case Kind::uint:
        case Kind::sint:
            out = from.uint;
            return from.kind == Kind::uint || from.sint >= 0;
        case Kind::real:
            if (!(from.real >= 0 && from.real < 0x1p64)) return false;
            out = static_cast<uint64_t>(from.real);
            return true;
        default:
            return from.kind == Kind::text && parse_number(from.as_text(), out);
    }
}

bool to_integer(const Value& from, int64_t& out) noexcept {
    switch (from.kind) {
        case Kind::time:  // whole seconds since 1970, rounded down
            out = from.sint / 1'000'000'000 - (from.sint % 1'000'000'000 < 0 ? 1 : 0);
            return true;
        case Kind::real:
            if (!(from.real > -0x1p63 && from.real < 0x1p63)) return false;
            out = static_cast<int64_t>(from.real);
            return true;
        case Kind::text:
            return parse_number(from.as_text(), out);
        default:
            return as_integer(from, out);
    }
}

}  // namespace

bool calculate(Op op, Type type, const Value& a, const Value& b, Value& out) noexcept {
    if (type == Type::real) {
        if (a.kind != Kind::real || b.kind != Kind::real) return false;
        const double x = a.real, y = b.real;
        out.kind = Kind::real;
        out.real = op == Op::add ? x + y : op == Op::subtract ? x - y : op == Op::multiply ? x * y : x / y;
        return true;
    }
    if (type == Type::unsigned_integer) {
        if (a.kind != Kind::uint || b.kind != Kind::uint) return false;
        const uint64_t x = a.uint, y = b.uint;
        out.kind = Kind::uint;
        return calculate_whole(op, x, y, out.uint);
    }
    int64_t x = 0, y = 0;
    if (!as_integer(a, x) || !as_integer(b, y)) return false;
    out.kind = Kind::sint;
    return calculate_whole(op, x, y, out.sint);
}

bool negate(const Value& a, Type type, Value& out) noexcept {
    if (type == Type::real) {
        if (a.kind != Kind::real) return false;
        const double x = a.real;
        out.kind = Kind::real;
        out.real = -x;
        return true;
    }
    int64_t x = 0;
    if (!as_integer(a, x)) return false;
    out.kind = Kind::sint;
    return !__builtin_sub_overflow(int64_t{0}, x, &out.sint);
}

bool convert(Type to, const Value& from, Value& out) noexcept {
    if (to == Type::real) {
        double result = 0;
        if (!to_real(from, result)) return false;
        out.kind = Kind::real;
        out.real = result;
        return true;
    }
    if (to == Type::unsigned_integer) {
        uint64_t result = 0;
        if (!to_unsigned(from, result)) return false;
        out.kind = Kind::uint;
        out.uint = result;
        return true;
    }
    int64_t result = 0;
    if (!to_integer(from, result)) return false;
    out.kind = Kind::sint;
    out.sint = result;
    return true;
}

}  // namespace cvf::filter
