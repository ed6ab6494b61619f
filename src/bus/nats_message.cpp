#include "bus/nats_message.h"

#include <array>
#include <charconv>
#include <cstdlib>

namespace cvf::bus {

NatsOwned<natsMsg> to_nats(const Message& message, const char* reply) {
    natsMsg* made = nullptr;
    if (natsMsg_Create(&made, std::string(message.subject).c_str(), reply, message.payload.data(),
                       static_cast<int>(message.payload.size())) != NATS_OK) {
        return nullptr;
    }
    NatsOwned<natsMsg> out(made);
    for (const Header& h : message.headers) {
        if (h.value.find_first_of("\r\n") != h.value.npos || h.name.find_first_of("\r\n:") != h.name.npos) return nullptr;
        if (natsMsgHeader_Add(made, std::string(h.name).c_str(), std::string(h.value).c_str()) != NATS_OK) return nullptr;
    }
    return out;
}

bool handle_nats(natsMsg* message, const OnMessage& handler) {
    const char** keys = nullptr;
    int count = 0;
    std::vector<Header> headers;
    if (natsMsgHeader_Keys(message, &keys, &count) == NATS_OK) {
        for (int i = 0; i < count; i++) {
            const char* value = nullptr;
            if (natsMsgHeader_Get(message, keys[i], &value) == NATS_OK && value) headers.push_back({keys[i], value});
        }
    }
    const std::string_view payload(natsMsg_GetData(message), static_cast<size_t>(natsMsg_GetDataLength(message)));
    bool untaken = false;
    Message arrived{natsMsg_GetSubject(message), payload, headers};
    arrived.untaken = &untaken;
    handler(arrived);
    std::free(keys);
    return !untaken;
}

std::optional<NatsDelivery> nats_delivery(std::string_view reply) {
    constexpr size_t most = 12;
    std::array<std::string_view, most> tokens;
    size_t count = 0;
    for (; count < most; count++) {
        const size_t dot = reply.find('.');
        tokens[count] = reply.substr(0, dot);
        if (dot == reply.npos) break;
        reply.remove_prefix(dot + 1);
    }
    count++;
    if (count < 9 || count == 10 || tokens[0] != "$JS" || tokens[1] != "ACK") return std::nullopt;
    const size_t first = count == 9 ? 5 : 7;
    const auto number = [&](size_t at, uint64_t& into) {
        const std::string_view text = tokens[at];
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), into);
        return error == std::errc{} && end == text.data() + text.size();
    };
    NatsDelivery out{};
    if (!number(first, out.stream_sequence) || !number(first + 1, out.consumer_sequence) || !number(first + 3, out.pending))
        return std::nullopt;
    return out;
}

std::string_view nats_header(natsMsg* message, const char* name) {
    const char* value = nullptr;
    return natsMsgHeader_Get(message, name, &value) == NATS_OK && value ? value : std::string_view{};
}

}  // namespace cvf::bus
