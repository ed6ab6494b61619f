#include "bus/bus.h"

#include <fmt/format.h>

#include "bus/address.h"
#include "bus/checks.h"
#include "bus/kafka.h"
#include "bus/local.h"
#include "bus/nats.h"

namespace cvf::bus {

std::expected<std::unique_ptr<Bus>, std::string> Bus::connect(Options options) {
    auto address = parse_address(options.url);
    if (!address) return std::unexpected(address.error());
    // What the options say stands above what the URL says.
    if (!options.user.empty()) address->user = options.user, address->password = options.password, address->token.clear();
    if (!options.token.empty()) address->token = options.token, address->user.clear(), address->password.clear();
    if (auto good = check_options(options, *address); !good) return std::unexpected(good.error());
    switch (address->transport) {
        case Transport::local:
            return connect_local(address->name, options);
        case Transport::nats:
            return connect_nats(*address, options);
        case Transport::kafka:
            return connect_kafka(std::move(*address), options);
    }
    return std::unexpected("bus URL: unknown transport");
}

std::expected<Bus::Found, std::string> Bus::get(std::string_view bucket, std::string_view) {
    return std::unexpected(fmt::format("{}: this bus can't be asked for one document", bucket));
}

}  // namespace cvf::bus
