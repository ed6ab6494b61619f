// Which fields the embedded history keeps as columns: a query that needs no others never reads the records themselves.
//
// Chosen for what people group and filter by: who (addresses, ports, process, container, pod), what (type, protocol, name,
// status) and the numbers that are summed. A field costs some 0.5 to 4 bytes a record on disk where it occurs and next to nothing
// where it does not; adding one is adding its name in indexed.cpp, and blocks written before are read the slow way.
#pragma once

#include <optional>
#include <span>

#include "record/fields.h"

namespace cvf::history {

// In the order of their columns; the first is record.type. Kinds: text, ip (dictionaries) and uint (numbers).
std::span<const record::Field> indexed_fields();

// The column of a field.
std::optional<size_t> column_of(record::Field field);

}  // namespace cvf::history
