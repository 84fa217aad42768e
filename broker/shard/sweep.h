// A sweep: one way through the ready messages of a queue, for people who look at them, throw some away, or send some to
// other queues.
//
//   broker.sweep("/", "wherry.dead", {}, [rows](Position at, const Message& message) {
//     rows->push_back(...);
//     return Sweep::Verdict{};                       // keep it
//   }, [](Result<Sweep::Report> report) { ... });
//
// It goes a portion a turn, so that the queue's shard has time for others, and does not look at what comes after it
// began: what is sent off and dies again is not met twice. A message that moves is in its new queue before it leaves
// this one: in one turn of the log where both are on one shard, and confirmed by the other's store where they are not.
// A crash in between leaves it in both, never in neither. One that the new queue does not take stays.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "broker/queueing/queue.h"

namespace wherry::broker {

struct Sweep {
  // What becomes of a message. stop: it is kept, and the sweep ends before it.
  enum class What : std::uint8_t { keep, remove, move, stop };
  struct Verdict {
    What what = What::keep;
    std::string to = {};          // move: a queue of the same vhost.
    std::string properties = {};  // move: encoded, instead of its own.
  };
  // Called on the queue's shard; it calls no broker.
  using Judge = std::function<Verdict(Position at, const Message& message)>;

  // From where, and to before where; zeros: all that is there now. A report's next and end go on with it.
  struct Range {
    Position from = 0;
    Position end = 0;
  };
  struct Report {
    Position next = 0;  // 0: it was gone through to the end.
    Position end = 0;
    std::uint64_t looked_at = 0;
    std::uint64_t removed = 0;
    std::uint64_t moved = 0;
    std::uint64_t left = 0;                                   // Ready messages of the queue by then.
    std::vector<std::pair<Position, std::string>> refused{};  // Not moved, and why; the first most_refused.
    std::uint64_t refused_count = 0;
  };
  static constexpr std::size_t most_refused = 100;
};

}  // namespace wherry::broker
