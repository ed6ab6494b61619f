// One connection that speaks HTTP: read a request, answer, read the next; or answer with a stream until it ends; or become a
// WebSocket. Private to this room.
#pragma once

#include <memory>
#include <string>

#include "http/core.h"

namespace cvf::http {

// Begins with the handshake where there is a context.
void begin_session(Core& core, Stream::Socket socket, std::string peer, Stream::Context tls);

}  // namespace cvf::http
