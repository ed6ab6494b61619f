// The history's answers as text: JSON, JSON lines, CSV or server-sent events.
//
//     json    {"kind":"RecordList","items":[…],"metadata":{…}}; of groups
//     {"kind":"Table","columns":[…],"items":[…],"metadata":{…}} ndjson  a record, or a group, a line csv     RFC 4180 with a
//     header line; of records the columns are `fields` (or csv_columns), lists and maps as JSON events  `row` for each, `partial`
//     (groups so far: columns and items), `progress`, `end` (the metadata)
//
// Thread rule: one thread owns it. Appends to the caller's text.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "history/answer.h"
#include "history/query.h"

namespace cvf::api {

enum class Form : uint8_t { json, ndjson, csv, events };
std::string_view media_type(Form form);
std::optional<Form> form_by_name(std::string_view name);

// Columns of records as CSV where no fields were asked for.
inline constexpr std::string_view csv_columns =
    "source.address,source.port,destination.address,destination.port,network.transport";

class AnswerWriter {
 public:
    AnswerWriter(Form form, const history::Query& query) : form_(form), query_(query) {}

    void begin(std::string& out);
    void row(std::string_view line, std::string& out);
    void table(const history::Table& table, bool final, std::string& out);
    void progress(const history::Progress& progress, std::string& out);
    void end(const history::Progress& progress, std::string& out);
    // Only events can tell it; of others the answer is cut.
    void failed(std::string_view why, std::string& out);

    uint64_t rows() const { return rows_; }

    // What to send when there was nothing for long; nothing where the form has no room for it.
    std::string_view sign_of_life() const;

 private:
    std::string metadata(const history::Progress& progress) const;
    void csv_row(std::string_view line, std::string& out) const;

    const Form form_;
    const history::Query& query_;
    std::vector<std::string> columns_;  // of CSV
    std::string last_row_;
    uint64_t rows_ = 0, left_out_ = 0;
    bool table_seen_ = false, approximate_ = false, more_ = false;
};

}  // namespace cvf::api
