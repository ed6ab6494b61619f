// What a server sends to `cvf watch`: events cut anywhere give the same events; a record that parses can be printed; a problem is
// read.
#include <cstdlib>
#include <string>
#include <vector>

#include "api/problem.h"
#include "api/sse.h"
#include "record/parse.h"
#include "sink/table.h"

namespace {

std::vector<std::string> events(std::string_view bytes, size_t step) {
    std::vector<std::string> out;
    cvf::api::EventParser parser(
        [&](std::string_view name, std::string_view data) {
            out.push_back(std::string(name) + '\0' + std::string(data));
            return true;
        },
        4096);
    bool going = true;
    for (size_t at = 0; going && at < bytes.size(); at += step) going = parser.feed(bytes.substr(at, step));
    return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    if (size < 4096 && events(text, size ? size : 1) != events(text, 1)) abort();
    cvf::record::Record record;
    if (cvf::record::parse_record(text, record)) {
        cvf::sink::TableOptions options;
        options.width = 100;
        cvf::sink::Table table(options);
        std::string line;
        table.row(record, line);
        for (size_t i = 0; i < line.size(); ++i)
            if (static_cast<unsigned char>(line[i]) < ' ' && i + 1 != line.size()) abort();
    }
    (void)cvf::api::parse_problem(400, text);
    return 0;
}
