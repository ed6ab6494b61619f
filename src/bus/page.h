// docs/bus.md: the bus as an open interface, made from the tables of subjects.h. Thread rule: pure.
#pragma once

#include <string>

namespace cvf::bus {

std::string reference_page();

}  // namespace cvf::bus
