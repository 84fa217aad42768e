// What it takes to be a client at an endpoint: the socket, and the words of the handshake.
//
// Threads: any for client_config(); reach() the loop's. Errors: of reach(): the TLS files that cannot be read; whatever
// else goes wrong is told to done.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "net/stream.h"
#include "protocol/amqp/connection.h"
#include "sdk/endpoint/endpoint.h"

namespace wherry::sdk {

// For an endpoint with an address: connects, over TLS where it says so. The files are read for each connection: what
// was renewed counts. done is called once, later; destroying what is returned cancels it.
Result<std::unique_ptr<net::Connecting>> reach(net::EventLoop& loop, const Endpoint& to,
                                               std::chrono::milliseconds timeout,
                                               std::function<void(Result<std::unique_ptr<net::Stream>>)> done);

// Who we say we are there; name: connection_name among the client properties, what an operator sees.
amqp::ClientConfig client_config(const Endpoint& to, const std::string& name);

}  // namespace wherry::sdk
