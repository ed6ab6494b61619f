#include "filter/filter.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "filter/program.h"
#include "filter/syntax.h"
#include "filter/token.h"

namespace cvf::filter {

std::string Error::show(std::string_view source) const {
    // The byte where the column begins, then the line around it.
    size_t at = 0;
    for (size_t left = column - 1; at < source.size() && left > 0; --left) {
        ++at;
        while (at < source.size() && (static_cast<unsigned char>(source[at]) & 0xc0) == 0x80) ++at;
    }
    size_t begin = at;
    while (begin > 0 && source[begin - 1] != '\n') --begin;
    const size_t end = std::min(source.find('\n', at), source.size());
    std::string line(source.substr(begin, end - begin));
    std::string indent;
    for (char c : source.substr(begin, at - begin))
        if ((static_cast<unsigned char>(c) & 0xc0) != 0x80) indent.push_back(c == '\t' ? '\t' : ' ');
    make_printable(line);
    return fmt::format("column {}: {}\n  {}\n  {}^", column, message, line, indent);
}

std::expected<Filter, Error> Filter::compile(std::string_view source) {
    const std::expected<Syntax, Error> syntax = parse(source);
    if (!syntax) return std::unexpected(syntax.error());
    std::expected<std::unique_ptr<Program>, Error> program = check(*syntax, source);
    if (!program) return std::unexpected(std::move(program.error()));
    return Filter(std::move(*program));
}

Filter::Filter(std::unique_ptr<Program> program) : program_(std::move(program)) {}
Filter::Filter(Filter&&) noexcept = default;
Filter& Filter::operator=(Filter&&) noexcept = default;
Filter::~Filter() = default;

bool Filter::matches(const record::Record& record) const noexcept {
    return run(*program_, record);
}
bool Filter::always_true() const {
    return program_->always_true;
}
const std::string& Filter::source() const {
    return program_->source;
}
const FieldBits& Filter::used() const {
    return program_->used;
}
const TypeBits& Filter::possible_types() const {
    return program_->possible_types;
}

}  // namespace cvf::filter
