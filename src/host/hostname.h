// The name records carry as host.name.
#pragma once

#include <string>

namespace cvf::host {

// The kernel's host name (uname(2)), of the namespace we run in; "localhost" when it is empty. Any thread; cheap.
std::string hostname();

}  // namespace cvf::host
