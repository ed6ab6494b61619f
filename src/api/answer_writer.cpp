#include "api/answer_writer.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <boost/json.hpp>
#include <cmath>

#include "api/call.h"
#include "api/paging.h"
#include "record/parse.h"

namespace cvf::api {
namespace {

constexpr std::string_view names[] = {"json", "ndjson", "csv", "events"};

void csv_cell(std::string_view text, std::string& out) {
    if (text.find_first_of(",\"\r\n") == std::string_view::npos) {
        out += text;
        return;
    }
    out += '"';
    for (char c : text) {
        if (c == '"') out += '"';
        out += c;
    }
    out += '"';
}

std::string cell_text(const history::Cell& cell) {
    if (const auto* text = std::get_if<std::string>(&cell)) return *text;
    if (const auto* flag = std::get_if<bool>(&cell)) return *flag ? "true" : "false";
    if (const auto* u = std::get_if<uint64_t>(&cell)) return fmt::format("{}", *u);
    if (const auto* s = std::get_if<int64_t>(&cell)) return fmt::format("{}", *s);
    if (const auto* r = std::get_if<double>(&cell); r && std::isfinite(*r)) return fmt::format("{}", *r);
    return {};
}

std::string column_list(const history::Table& table) {
    boost::json::array out;
    for (const std::string& column : table.columns) out.emplace_back(column);
    return boost::json::serialize(out);
}

// Each line of it.
template <typename Use>
void each_line(std::string_view lines, Use&& use) {
    while (!lines.empty()) {
        const std::string_view line = lines.substr(0, lines.find('\n'));
        lines.remove_prefix(std::min(line.size() + 1, lines.size()));
        use(line);
    }
}

}  // namespace

std::string_view media_type(Form form) {
    switch (form) {
        case Form::json:
            return "application/json";
        case Form::ndjson:
            return "application/x-ndjson";
        case Form::csv:
            return "text/csv; charset=utf-8; header=present";
        case Form::events:
            return "text/event-stream";
    }
    return {};
}

std::optional<Form> form_by_name(std::string_view name) {
    for (size_t i = 0; i < std::size(names); ++i)
        if (names[i] == name) return static_cast<Form>(i);
    return std::nullopt;
}

void AnswerWriter::begin(std::string& out) {
    if (form_ == Form::json && !query_.aggregates()) out += R"({"kind":"RecordList","items":[)";
    if (form_ != Form::csv || query_.aggregates()) return;
    columns_ = {"@timestamp", "record.type", "record.id", "flow.id"};
    for (size_t i = 0; i < record::field_count; ++i) {
        const auto field = static_cast<record::Field>(i);
        const auto key = std::string(record::info(field).key);
        if (query_.fields && query_.fields->has(field) && std::ranges::find(columns_, key) == columns_.end())
            columns_.push_back(key);
    }
    if (!query_.fields)
        for (std::string& key : split_commas(csv_columns)) columns_.push_back(std::move(key));
    fmt::format_to(std::back_inserter(out), "{}\r\n", fmt::join(columns_, ","));
}

void AnswerWriter::row(std::string_view line, std::string& out) {
    ++rows_;
    last_row_ = line;
    switch (form_) {
        case Form::json:
            if (rows_ > 1) out += ',';
            out += '\n';
            out += line;
            break;
        case Form::ndjson:
            out += line;
            out += '\n';
            break;
        case Form::csv:
            csv_row(line, out);
            break;
        case Form::events:
            fmt::format_to(std::back_inserter(out), "event: row\ndata: {}\n\n", line);
            break;
    }
}

void AnswerWriter::csv_row(std::string_view line, std::string& out) const {
    boost::system::error_code error;
    const auto value = boost::json::parse({line.data(), line.size()}, error);
    const auto* object = error ? nullptr : value.if_object();
    for (size_t i = 0; i < columns_.size(); ++i) {
        if (i) out += ',';
        const auto* cell = object ? object->if_contains(columns_[i]) : nullptr;
        if (!cell) continue;
        if (const auto* text = cell->if_string())
            csv_cell({text->data(), text->size()}, out);
        else
            csv_cell(boost::json::serialize(*cell), out);
    }
    out += "\r\n";
}

void AnswerWriter::table(const history::Table& table, bool final, std::string& out) {
    if (!final && form_ != Form::events) return;
    record::Buffer lines;
    history::write_json(table, lines);
    if (!final) {
        fmt::format_to(std::back_inserter(out), "event: partial\ndata: {{\"columns\":{},\"items\":[", column_list(table));
        bool first = true;
        each_line(lines.view(), [&](std::string_view line) {
            if (!std::exchange(first, false)) out += ',';
            out += line;
        });
        out += "]}\n\n";
        return;
    }
    table_seen_ = true;
    approximate_ = table.approximate;
    left_out_ = table.left_out;
    more_ = table.more;
    rows_ = table.rows.size();
    if (form_ == Form::csv) {
        for (size_t i = 0; i < table.columns.size(); ++i) {
            if (i) out += ',';
            csv_cell(table.columns[i], out);
        }
        out += "\r\n";
        for (const auto& row : table.rows) {
            for (size_t i = 0; i < row.size(); ++i) {
                if (i) out += ',';
                csv_cell(cell_text(row[i]), out);
            }
            out += "\r\n";
        }
    } else if (form_ == Form::ndjson) {
        out += lines.view();
    } else if (form_ == Form::events) {
        each_line(lines.view(),
                  [&](std::string_view line) { fmt::format_to(std::back_inserter(out), "event: row\ndata: {}\n\n", line); });
    } else {
        fmt::format_to(std::back_inserter(out), R"({{"kind":"Table","columns":{},"items":[)", column_list(table));
        bool first = true;
        each_line(lines.view(), [&](std::string_view line) {
            out += std::exchange(first, false) ? "\n" : ",\n";
            out += line;
        });
    }
}

void AnswerWriter::progress(const history::Progress& progress, std::string& out) {
    if (form_ == Form::events)
        fmt::format_to(std::back_inserter(out), "event: progress\ndata: {{\"examined\":{},\"total\":{},\"matched\":{}}}\n\n",
                       progress.examined, progress.total, progress.matched);
}

std::string AnswerWriter::metadata(const history::Progress& progress) const {
    boost::json::object out{{"examined", progress.examined},
                            {"total", progress.total},
                            {"matched", progress.matched},
                            {"damaged", progress.damaged},
                            {"rows", rows_}};
    if (query_.aggregates()) {
        out["approximate"] = approximate_;
        out["leftOut"] = left_out_;
        out["more"] = more_;
    } else if (query_.limit != 0 && rows_ >= query_.limit && !last_row_.empty()) {
        record::Record record;
        if (record::parse_record(last_row_, record)) {
            const record::Value* id = record.lookup(record::Field::record_id);
            const history::Position position{record.timestamp(), id ? std::string(id->as_text()) : std::string()};
            out["continue"] = continue_token(position.text());
        }
    }
    return boost::json::serialize(out);
}

void AnswerWriter::end(const history::Progress& progress, std::string& out) {
    if (form_ == Form::events) {
        fmt::format_to(std::back_inserter(out), "event: end\ndata: {}\n\n", metadata(progress));
        return;
    }
    if (form_ != Form::json) return;
    if (query_.aggregates() && !table_seen_) out += R"({"kind":"Table","columns":[],"items":[)";
    fmt::format_to(std::back_inserter(out), "\n],\"metadata\":{}}}\n", metadata(progress));
}

void AnswerWriter::failed(std::string_view why, std::string& out) {
    if (form_ == Form::events)
        fmt::format_to(std::back_inserter(out), "event: error\ndata: {}\n\n",
                       boost::json::serialize(boost::json::object{{"title", "Query failed"}, {"detail", why}}));
}

std::string_view AnswerWriter::sign_of_life() const {
    if (form_ == Form::events) return ":\n\n";
    // Between tokens of JSON, and between its lines, an empty line means nothing; in CSV it is a row.
    return form_ == Form::csv ? std::string_view{} : "\n";
}

}  // namespace cvf::api
