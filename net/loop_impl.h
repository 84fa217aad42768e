// What lies behind EventLoop; for this room's sources only.
#pragma once

#include <array>
#include <memory>
#include <thread>
#include <utility>  // Boost 1.74 uses std::exchange without including it.
#include <vector>

#include <boost/asio.hpp>

#include "net/event_loop.h"

namespace wherry::net {

// Something that has bytes to write when the turn ends.
class Flushable {
 public:
  virtual void flush() = 0;

 protected:
  ~Flushable() = default;
};

struct EventLoop::Impl {
  boost::asio::io_context io{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> guard{io.get_executor()};
  std::atomic<bool> stopping{false};
  std::thread::id thread;
  Monotonic turn_began = std::chrono::steady_clock::now();
  std::vector<std::function<void()>> hooks;
  std::vector<std::shared_ptr<Flushable>> dirty;  // Streams to flush at the end of this turn.
  std::array<char, 128 * 1024> read_buffer;       // One for all streams: an idle one holds none.

  void end_turn();
};

}  // namespace wherry::net
