// Drill: mishaps on request, for an application's tests (wherry/testing.h): a worker that dies, a connection that is
// lost, a task that comes twice or late. They happen where they do in earnest: at a moment of an attempt, to a worker
// that is otherwise whole.
//
// The moments of an attempt, in order:
//   before_run   the task has come and its function has not been called
//   after_run    the function has ended and nobody was told: no result, no retry, nothing that follows it
//   before_ack   result, retry, dead letter and what follows have been sent, and the task is not acknowledged yet
//
// Threads: the runtime's loop. Lifetime: outlives the runtime.
#pragma once

#include <chrono>
#include <optional>

#include "protocol/task/envelope.h"
#include "sdk/link/messages.h"
#include "wherry/outcome.h"

namespace wherry::worker {

enum class Moment { before_run, after_run, before_ack };

struct Mishap {
  enum class Kind {
    crash,       // The worker is no more: it settles nothing, and its connection ends.
    disconnect,  // Its connection is lost, and it goes on.
    duplicate,   // before_ack: it goes back to its queue in place of being acknowledged, as if the ack were lost.
    delay,       // before_run: it comes again after a time.
  };
  Kind kind = Kind::crash;
  Moment moment = Moment::before_ack;
  std::chrono::milliseconds delay{0};
};

class Drill {
 public:
  // A task has come. What is to befall it.
  virtual std::optional<Mishap> received(const task::Task& task) = 0;
  // Its function has ended like this.
  virtual void ran(const task::Task& task, const sdk::Delivery& delivery, const detail::Outcome& outcome) = 0;
  // The worker has crashed: nothing comes of it any more, and its runtime is to be destroyed in a later turn.
  virtual void died() = 0;

 protected:
  ~Drill() = default;
};

}  // namespace wherry::worker
