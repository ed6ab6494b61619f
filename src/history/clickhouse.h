// The history at a ClickHouse server, over its HTTP interface: for more than one machine's records.
//
// Makes its database and table (clickhouse_schema.h) when they are not there, adds the columns of fields that are new, and writes
// in batches of a second or batch_bytes. The same queries are answered as by the embedded store; parts of a filter that have no
// SQL (sql.h) are asked of the records as they stream in, groups too then. `until` being in the future or the server's clock do
// not matter: times are the records' own.
//
// Expiry: by the table's TTL where the server has it (19.6), else whole days are dropped by tick(). A server that is slow or
// gone: batches wait up to pending_bytes and are tried again, then records are counted as lost; said once. At least once: a batch
// whose answer was lost is sent again. Thread rule: as in history.h; write() only collects, tick() talks to the server and may
// wait for `timeout`. Errors: query() gives the server's own words, cut to one line.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <memory>
#include <string>

#include "history/history.h"
#include "sink/sink.h"

namespace cvf::history {

struct ClickHouseOptions {
    std::string server = "http://127.0.0.1:8123";
    std::string user = {}, password = {};
    std::string database = "cvf";  // a plain word
    std::string table = "records";
    std::chrono::seconds max_age = std::chrono::days(30);
    std::chrono::milliseconds flush_interval{500};
    size_t batch_bytes = 16 * 1024 * 1024;
    size_t pending_bytes = 64 * 1024 * 1024;
    std::chrono::milliseconds timeout{30'000};
    sink::Complaint complain = {};
};

// The error names the server and what is wrong; also when it cannot be reached now.
std::expected<std::unique_ptr<History>, std::string> open_clickhouse(ClickHouseOptions options);

}  // namespace cvf::history
