// Peer: a connection inside the measuring loop: what it reads and has to write without ever waiting.
//
// Derived: Producer, Consumer. The loop calls on_readable() and flush() as epoll says.
// Errors: go into Totals::failure and end the run. Threads: the run's one thread.
#pragma once

#include <memory>
#include <string>

#include "perf/connection.h"
#include "perf/totals.h"

namespace wherry::perf {

class Peer {
 public:
  // What a busy broker can have written meanwhile: large reads are what makes counting cheap.
  static constexpr std::size_t read_size = 256 * 1024;

  Peer(std::unique_ptr<Connection> connection, Totals& totals);
  virtual ~Peer() = default;

  // Reads once, and handles every whole frame.
  void on_readable();
  // Handles the frames that are there without reading.
  void on_input(std::uint64_t now);
  // Writes what waits; whether all of it is out.
  bool flush();
  bool has_output() const { return written_ < output_.size(); }

  Connection& connection() { return *connection_; }
  int fd() const { return connection_->fd(); }

  bool wants_writable = false;  // What epoll was told; the loop's own.

 protected:
  virtual void handle(const Frame& frame, std::uint64_t now) = 0;
  // Methods that mean the same to both kinds: closes and the like.
  void handle_common(amqp::MethodId method, const Frame& frame);
  virtual void on_blocked(bool) {}

  std::unique_ptr<Connection> connection_;
  Totals& totals_;
  std::string output_;
  std::size_t written_ = 0;
};

}  // namespace wherry::perf
