// The datagrams of one DTLS session.
#include "protocol_play.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    cvf::protocol::fuzz::play(cvf::protocol::dtls, data, size);
    return 0;
}
