// What librdkafka complains about, in words of this program: what is wrong, and which option mends it.
//
// Thread rule: pure.
#pragma once

#include <librdkafka/rdkafka.h>

#include <string>
#include <string_view>

#include "bus/address.h"
#include "bus/bus.h"

namespace cvf::bus {

struct KafkaTrouble {
    std::string words;  // one line, without secrets
    // It says what waiting will not mend: a login, a certificate, the wrong door. The library's general words, which come after
    // such a thing, say less.
    bool telling = false;
};

// `reason`: the library's words. `certificate`: why OpenSSL did not take the broker's (X509_V_ERR_…), 0: not known.
KafkaTrouble explain_kafka(rd_kafka_resp_err_t error, std::string_view reason, int certificate, const Address& address,
                           const Options& options);

}  // namespace cvf::bus
