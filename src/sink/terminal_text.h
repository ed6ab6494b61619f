// Text from the network made safe and measured for a terminal. No state, any thread.
//
// What could move the cursor, change colours, reorder or hide text is written out as visible escapes: C0 and C1 controls and DEL
// as \xNN, bidirectional controls, separators and invisible characters as \uNNNN, bytes that are not UTF-8 as \xNN. Columns are
// counted as terminals do: wide East Asian characters and emoji two, combining marks none (at most two per character are kept).
// Source: Unicode TR11 (wide), TR36 and CVE-2021-42574 (bidirectional controls); ECMA-48 (controls).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace cvf::sink {

// Appends at most `max` columns of `text`; when that is not all, the last column is '…'. Returns the columns used.
size_t append_safe(std::string& out, std::string_view text, size_t max);

// The columns append_safe() would use with no limit.
size_t safe_width(std::string_view text);

}  // namespace cvf::sink
