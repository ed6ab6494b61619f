// The one-shot and EVP interfaces of OpenSSL 3 look algorithms up by name each time, which costs more than the hash.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "flow/community_id.h"

#include <openssl/sha.h>

#include "decode/packet.h"

namespace cvf::flow {

namespace {

// ICMP types that answer each other count as the two "ports", so that request and reply give one id. Returns the counterpart, or
// -1 for one-way messages.
int icmp_counterpart(uint8_t protocol, uint16_t type) {
    static constexpr struct {
        uint8_t protocol, type, counterpart;
    } pairs[] = {
        {1, 8, 0},      {1, 0, 8},      {1, 13, 14},    {1, 14, 13},    {1, 15, 16},    {1, 16, 15},
        {1, 10, 9},     {1, 9, 10},     {1, 17, 18},    {1, 18, 17},    {58, 128, 129}, {58, 129, 128},
        {58, 133, 134}, {58, 134, 133}, {58, 135, 136}, {58, 136, 135}, {58, 130, 131}, {58, 131, 130},
        {58, 139, 140}, {58, 140, 139}, {58, 144, 145}, {58, 145, 144},
    };
    for (const auto& p : pairs)
        if (p.protocol == protocol && p.type == type) return p.counterpart;
    return -1;
}

// Of all others the addresses and the protocol are all that counts.
bool has_ports(uint8_t protocol) {
    namespace is = decode::ip_protocol;
    return protocol == is::tcp || protocol == is::udp || protocol == is::sctp || protocol == is::icmp || protocol == is::icmpv6;
}

void base64(const uint8_t* in, char* out) {  // 20 bytes to 28 characters
    constexpr char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (int i = 0; i < 18; i += 3, out += 4) {
        uint32_t v = static_cast<uint32_t>(in[i]) << 16 | static_cast<uint32_t>(in[i + 1]) << 8 | in[i + 2];
        out[0] = digits[v >> 18], out[1] = digits[v >> 12 & 63], out[2] = digits[v >> 6 & 63], out[3] = digits[v & 63];
    }
    uint32_t v = static_cast<uint32_t>(in[18]) << 16 | static_cast<uint32_t>(in[19]) << 8;
    out[0] = digits[v >> 18], out[1] = digits[v >> 12 & 63], out[2] = digits[v >> 6 & 63], out[3] = '=';
}

}  // namespace

void community_id(uint8_t family, uint8_t protocol, const decode::Address& source, uint16_t source_port,
                  const decode::Address& destination, uint16_t destination_port, char out[community_id_size]) {
    bool one_way = false;
    if (protocol == decode::ip_protocol::icmp || protocol == decode::ip_protocol::icmpv6) {
        int counterpart = icmp_counterpart(protocol, source_port);
        if (counterpart < 0)
            one_way = true;
        else
            destination_port = static_cast<uint16_t>(counterpart);
    }
    const size_t n = family == 4 ? 4 : 16;
    int order = std::memcmp(source.bytes.data(), destination.bytes.data(), n);
    bool swap = !one_way && (order > 0 || (order == 0 && source_port > destination_port));
    const decode::Address &first = swap ? destination : source, &second = swap ? source : destination;
    uint16_t first_port = swap ? destination_port : source_port, second_port = swap ? source_port : destination_port;
    uint8_t text[2 + 32 + 2 + 4] = {0, 0};
    size_t at = 2;
    std::memcpy(text + at, first.bytes.data(), n), at += n;
    std::memcpy(text + at, second.bytes.data(), n), at += n;
    text[at++] = protocol;
    text[at++] = 0;
    if (has_ports(protocol)) {
        text[at++] = static_cast<uint8_t>(first_port >> 8), text[at++] = static_cast<uint8_t>(first_port);
        text[at++] = static_cast<uint8_t>(second_port >> 8), text[at++] = static_cast<uint8_t>(second_port);
    }
    uint8_t digest[SHA_DIGEST_LENGTH];
    SHA_CTX sha;
    SHA1_Init(&sha);
    SHA1_Update(&sha, text, at);
    SHA1_Final(digest, &sha);
    out[0] = '1', out[1] = ':';
    base64(digest, out + 2);
}

}  // namespace cvf::flow
