// Writes docs/bus.md to standard output.
#include <cstdio>

#include "bus/page.h"

int main() {
    return std::fputs(cvf::bus::reference_page().c_str(), stdout) < 0;
}
