// TLS for the server and the client: contexts made of PEM files. Private to this room.
//
// TLS 1.2 and 1.3, no renegotiation, no resumption (a certificate withdrawn by a reload must not live on in a ticket). Thread
// rule: the loop's thread. Errors: one line that names the file. Source: RFC 8446, RFC 5246, RFC 7301 (http/1.1 is what we
// speak), RFC 9525 (names).
#pragma once

#include <boost/asio/ssl/context.hpp>
#include <cstdint>
#include <expected>
#include <memory>
#include <string>

#include "http/client.h"
#include "http/server.h"
#include "http/stream.h"

namespace cvf::http {

std::expected<Stream::Context, std::string> server_context(const ServerTls& tls);
std::expected<Stream::Context, std::string> client_context(const ClientTls& tls);

// Before a client's handshake: whom the certificate must name. False when the name can't be one.
bool expect_name(SSL* ssl, const std::string& host);

// The common name of the peer's certificate, which has been verified; empty: no certificate, or no name.
std::string common_name(SSL* ssl);

// What OpenSSL says of the last failure of this thread's, for people.
std::string tls_error_text(SSL* ssl, const boost::system::error_code& error);

// A number that changes when one of the files does.
uint64_t files_mark(const ServerTls& tls);

}  // namespace cvf::http
