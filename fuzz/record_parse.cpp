// Any line: what parses is a record that, written and read again, is the same.
#include <cstdlib>
#include <string>

#include "record/json.h"
#include "record/parse.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    static cvf::record::Record record, again;
    if (!cvf::record::parse_record({reinterpret_cast<const char*>(data), size}, record)) return 0;
    cvf::record::Buffer once, twice;
    cvf::record::write_json(record, nullptr, once);
    if (!cvf::record::parse_record(once.view(), again)) abort();
    cvf::record::write_json(again, nullptr, twice);
    if (once.view() != twice.view()) abort();
    return 0;
}
