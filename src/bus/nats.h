// The bus over NATS: core NATS for what streams, JetStream for what is durable and for documents.
//
// - A plain message is delivered when a PING sent after it on the same connection has come back. That is asked once for all that
//   was sent meanwhile (some 5 ms), never for one message.
// - One natsConnection is one TCP connection: it never reconnects by itself, so nothing waits in hidden buffers and a lost
//   connection settles all that was not confirmed on it as not delivered. nats_connection.h makes the next one.
// - Streams and buckets are made when absent.
#pragma once

#include <expected>
#include <memory>
#include <string>

#include "bus/address.h"
#include "bus/bus.h"

namespace cvf::bus {

std::expected<std::unique_ptr<Bus>, std::string> connect_nats(const Address& address, const Options& options);

}  // namespace cvf::bus
