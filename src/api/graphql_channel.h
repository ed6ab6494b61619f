// A WebSocket that speaks graphql-transport-ws: the state machine of the room graphql, on a connection of the HTTP server.
//
// Who the client is says its request, or, for browsers can't send a token with that, `authorization` in its connection_init; it
// is looked at again with each operation and each five seconds. What it asks for runs on a thread of State::threads, one
// operation at a time; closing waits for nothing.
#pragma once

#include <memory>
#include <string>

#include "api/call.h"
#include "http/websocket.h"

namespace cvf::api {

// Who a client says he is.
struct Credentials {
    std::string authorization, client_name, from;
};

// `seat` among the watchers is held for as long as the channel is open; null: one is taken when the client has said who it is.
std::unique_ptr<http::Channel> make_graphql_channel(State& state, Credentials credentials, std::shared_ptr<void> seat);

}  // namespace cvf::api
