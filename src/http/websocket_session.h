// One connection that has become a WebSocket. Private to this room.
#pragma once

#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>
#include <memory>
#include <string>

#include "http/core.h"

namespace cvf::http {

using UpgradeRequest = boost::beast::http::request<boost::beast::http::string_body>;

void begin_websocket(Core& core, std::unique_ptr<Seat> seat, std::unique_ptr<Stream> stream, UpgradeRequest request,
                     std::unique_ptr<Channel> channel, std::string protocol);

}  // namespace cvf::http
