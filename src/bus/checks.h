// What is wrong whatever the broker says: told at once, in one line for people. Thread rule: pure but for reading the files
// named.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "bus/address.h"
#include "bus/bus.h"

namespace cvf::bus {

using Checked = std::expected<void, std::string>;

// Certificates and keys are read and must fit each other; what the transport has no use for is named.
Checked check_options(const Options& options, const Address& address);
Checked check_pattern(std::string_view pattern);
Checked check_document(std::string_view bucket, std::string_view key, std::string_view value);

// TLS is asked for by the scheme, or by giving certificates.
bool wants_tls(const Options& options, const Address& address);

}  // namespace cvf::bus
