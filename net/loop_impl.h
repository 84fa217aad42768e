// What lies behind EventLoop; for this room's sources only.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <set>
#include <thread>
#include <utility>  // Boost 1.74 uses std::exchange without including it.
#include <vector>

#include <boost/asio.hpp>

#include "base/wall_clock.h"
#include "net/event_loop.h"

namespace wherry::net {

// Something that has bytes to write, or would read again, when the turn ends.
class Flushable {
 public:
  virtual void flush() = 0;
  virtual void read_next_turn() = 0;

 protected:
  ~Flushable() = default;
};

struct EventLoop::Impl {
  boost::asio::io_context io{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> guard{io.get_executor()};
  std::atomic<bool> stopping{false};
  std::thread::id thread;
  // Of this turn; read when first asked for.
  std::optional<Monotonic> now;
  std::optional<WallTime> wall_now;
  std::set<WallTimer*> wall_timers;
  std::unique_ptr<WallClockListener> clock;
  std::vector<std::function<void()>> hooks;
  std::vector<std::function<void()>> after;       // Once, when this turn has ended.
  std::vector<std::shared_ptr<Flushable>> dirty;  // Streams to flush at the end of this turn.
  std::vector<std::shared_ptr<Flushable>> read;   // Streams that were read in this turn: once a turn each.
  // One for all streams: an idle one holds none. What a stream kept goes in front of what it reads, in the head room.
  static constexpr std::size_t head_room = 128 * 1024;
  static constexpr std::size_t read_size = 64 * 1024;
  std::array<char, head_room + read_size> read_buffer;

  void end_turn();
};

}  // namespace wherry::net
