// Server: a broker and what it needs beside itself: its data directory, what was declared, the watch over the machine,
// the operator's socket. wherry-broker is one user of it, a broker inside an application another.
//
//   net::EventLoop loop;
//   auto server = Server::start(*make_plan(options), {.loop = loop, .on_failure = [](std::string why) { ... }});
//   std::puts((*server)->address().text().c_str());
//   loop.run();                // what operators ask for is answered here
//   (*server)->stop();
//
// It handles no signal, changes no limit of the process and prints nothing; it writes to the log as log::level() says.
//
// Threads: start(), stop() and the destructor on the loop's thread, or while the loop does not run. Lifetime: the loop
// outlives it. The destructor stops it.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "broker/server/wiring.h"
#include "broker/shard/broker.h"
#include "net/event_loop.h"

namespace wherry::broker {

// Where a server runs.
struct ServerHost {
  net::EventLoop& loop;  // Serves the operator; not a shard's.
  // The disk failed: stop it, and say why. Called on any thread, as soon as the server exists.
  std::function<void(std::string why)> on_failure = [](std::string) {};
};

class Server {
 public:
  // Locks the data directory, restores what it holds, and listens. Without a data directory in the plan nothing is kept
  // and there is neither watch nor operator's socket. Errors name what is wrong: the directory and who uses it, the
  // file that cannot be read, the address that is taken.
  static Result<std::unique_ptr<Server>> start(Plan plan, ServerHost host);
  ~Server();

  net::Address address() const;  // With the port that was picked.
  // Of the management API ("http", "https"), the metrics ("http/prometheus", "https/prometheus") and AMQP over TLS
  // ("amqp/ssl"), where they listen.
  std::optional<net::Address> listener(std::string_view protocol) const;
  // As it was locked; empty without one.
  const std::filesystem::path& data_dir() const;
  unsigned shards() const;
  Broker& broker();

  // Takes no more connections, closes those that there are (their clients are told the reason), and returns when all
  // that was confirmed is kept. Idempotent.
  void stop(std::string_view reason = "shutdown");

 private:
  struct Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace wherry::broker
