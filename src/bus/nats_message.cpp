#include "bus/nats_message.h"

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

std::string_view nats_header(natsMsg* message, const char* name) {
    const char* value = nullptr;
    return natsMsgHeader_Get(message, name, &value) == NATS_OK && value ? value : std::string_view{};
}

}  // namespace cvf::bus
