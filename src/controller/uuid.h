// A fresh UUID, version 4 (RFC 9562 5.4), in lower case. Any thread.
#pragma once

#include <string>

namespace cvf::controller {

std::string random_uuid();

}  // namespace cvf::controller
