// The contract, asked of the bus within one process; and what is its own.
#include "../bus/contract.h"

namespace cvf::bus::test {

INSTANTIATE_TEST_SUITE_P(Local, Contract, testing::Values(Place{"local", [] { return std::string("local:contract"); }, ""}),
                         [](const auto& i) { return i.param.name; });

}  // namespace cvf::bus::test
