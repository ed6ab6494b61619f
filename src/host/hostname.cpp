#include "host/hostname.h"

#include <sys/utsname.h>

namespace cvf::host {

std::string hostname() {
    utsname names{};
    if (::uname(&names) != 0 || names.nodename[0] == '\0') return "localhost";
    return names.nodename;
}

}  // namespace cvf::host
