// The protocols of starttls.cpp on any bytes: the first says which and which end, the rest comes in two pieces.
#include <cstdlib>
#include <cstring>
#include <vector>

#include "protocol/dissector.h"

using namespace cvf;
using protocol::Bytes;
using protocol::Direction;

namespace {

class Flow final : public protocol::Context {
 public:
    bool over = false;
    record::Record& start(record::RecordType, int64_t) override { std::abort(); }  // makes none
    void emit(record::Record&) override { std::abort(); }
    void confirm(std::string_view) override {}
    void violation(std::string_view) override { std::abort(); }
    void host(std::string_view) override {}
    void skip(Direction, uint64_t) override { over = true; }
    void want(Direction, protocol::Want) override {}
    void hand_over(std::string_view) override { over = true; }
    bool wanted(record::RecordType) const override { return true; }
    uint16_t port(Direction) const override { return 0; }
    void set_initiator(Direction) override {}
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* input, size_t size) {
    if (size < 2) return 0;
    const protocol::Protocol* const all[] = {&protocol::smtp, &protocol::imap, &protocol::pop3,       &protocol::ftp,
                                             &protocol::xmpp, &protocol::ldap, &protocol::postgresql, &protocol::mysql};
    const protocol::Protocol& one = *all[input[0] % 8];
    const auto end = static_cast<Direction>(input[0] >> 7);
    const std::vector<uint8_t> bytes(input + 2, input + size);
    (void)one.match(end, bytes, 0, 0);
    Flow flow;
    const auto dissector = one.make();
    const size_t cut = input[1] * bytes.size() / 256;
    const std::vector<uint8_t> first(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(cut));
    const size_t used = dissector->data(end, first, flow);
    if (used > first.size()) std::abort();
    if (flow.over) return 0;
    const std::vector<uint8_t> rest(bytes.begin() + static_cast<ptrdiff_t>(used), bytes.end());
    if (dissector->data(end, rest, flow) > rest.size()) std::abort();
    return 0;
}
