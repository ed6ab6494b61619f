// A WebSocket that speaks graphql-transport-ws: the state machine of the room graphql, on a connection of the HTTP server.
#pragma once

#include <memory>

#include "api/call.h"
#include "http/websocket.h"

namespace cvf::api {

// `alive` is held for as long as the channel is open.
std::unique_ptr<http::Channel> make_graphql_channel(State& state, controller::Who who, controller::Role role,
                                                    std::shared_ptr<void> alive);

}  // namespace cvf::api
