#include "history/answer.h"

#include <fmt/format.h>

#include <cmath>

#include "record/json.h"

namespace cvf::history {

void write_json(const Table& table, record::Buffer& out) {
    for (const auto& row : table.rows) {
        for (size_t i = 0; i < row.size(); ++i) {
            out.append(i ? "," : "{");
            record::write_json_string(table.columns[i], out);
            out.append(":");
            if (const auto* text = std::get_if<std::string>(&row[i]))
                record::write_json_string(*text, out);
            else if (const auto* flag = std::get_if<bool>(&row[i]))
                out.append(*flag ? "true" : "false");
            else if (const auto* u = std::get_if<uint64_t>(&row[i]))
                out.append(fmt::format("{}", *u));
            else if (const auto* s = std::get_if<int64_t>(&row[i]))
                out.append(fmt::format("{}", *s));
            else if (const auto* r = std::get_if<double>(&row[i]); r && std::isfinite(*r))
                out.append(fmt::format("{}", *r));
            else
                out.append("null");
        }
        out.append(row.empty() ? "{}\n" : "}\n");
    }
}

}  // namespace cvf::history
