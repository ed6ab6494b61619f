// The contract, asked of NATS.
#include "contract.h"

namespace cvf::bus::test {

std::string shared_nats() {
    static const std::unique_ptr<Nats> server = Nats::installed() ? std::make_unique<Nats>() : nullptr;
    return server ? server->url() : std::string();
}

INSTANTIATE_TEST_SUITE_P(Nats, Contract, testing::Values(Place{"nats", shared_nats, "no nats-server here"}),
                         [](const auto& i) { return i.param.name; });

}  // namespace cvf::bus::test
