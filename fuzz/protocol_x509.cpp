// One certificate; its first bytes also as the pieces that the parsers of names take.
#include <string>

#include "protocol/x509.h"
#include "protocol/x509_names.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    namespace x509 = cvf::protocol::x509;
    const x509::Certificate certificate = x509::parse({data, size});
    if (certificate.sha256.size() != 64 || certificate.alternative_names.size() > x509::Certificate::max_names) __builtin_trap();
    x509::read_name({data, size});
    x509::dotted({data, size});
    std::string text;
    if (size > 0) x509::append_string(data[0], {data + 1, size - 1}, text);
    return 0;
}
