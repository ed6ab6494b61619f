// What is said to people, on standard error.
#pragma once

#include <fmt/format.h>

#include <string_view>
#include <utility>

namespace cvf::cli {

// In one piece, so that it is not torn. What cannot be said is let go: fmt::print would end the program when nobody reads
// standard error any more, or its disk is full.
void say_text(std::string_view text);

template <typename... T>
void say(fmt::format_string<T...> text, T&&... values) {
    say_text(fmt::format(text, std::forward<T>(values)...));
}

}  // namespace cvf::cli
