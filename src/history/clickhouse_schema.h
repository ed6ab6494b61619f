// The table that CVF keeps records in at ClickHouse: its columns, its making, and a record as a row of it.
//
// Every field is a column of its key with `_` for `.` and `-` (`@timestamp` is `timestamp`), so that people can ask in SQL:
//
//     text, addresses, hex    Nullable(String); LowCardinality where the server has it and the field is indexed (indexed.h)
//     numbers, flags, times   Nullable(UInt64, Int64, Float64, UInt8); times are ns since 1970, UTC
//     lists                   Array(String), Array(UInt64); empty where the record has none
//     maps                    two Array(String), NAME_key and NAME_value
//     timestamp Int64, record_type String, time DateTime (the second: partitions by day, expiry), line String (the record as
//     JSON)
//
// Both ClickHouse 18.16 (Debian's) and current ones take it; what only newer ones have (codecs, LowCardinality, TTL) is left out
// for older ones. Thread rule: pure functions.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "record/buffer.h"
#include "record/fields.h"
#include "record/record.h"

namespace cvf::history {

struct ServerVersion {
    unsigned major = 0, minor = 0;

    bool has_ttl() const { return major > 19 || (major == 19 && minor >= 6); }
    bool has_codecs() const { return has_ttl(); }
};

struct SqlColumn {
    std::string name, type;
};

std::string column_name(record::Field field);
std::vector<SqlColumn> sql_columns(ServerVersion version);
std::string create_table(std::string_view table, ServerVersion version, std::chrono::seconds max_age);

// What column `time` has for a moment: seconds within what DateTime can hold.
uint32_t day_second(int64_t unix_ns);

// Appends the record as a row in ClickHouse's JSONEachRow. `line` is the record's own, without line end.
void write_row(const record::Record& record, std::string_view line, record::Buffer& out);

}  // namespace cvf::history
