// ResultBackend: where results of tasks are kept, so that others than the client that sent a task can read them, and
// where the parts of a chord meet. The reply queue (rpc://) is none: it keeps nothing, and has no chords.
//
//   auto backend = results::open(loop, "redis://127.0.0.1:6379/0", {.expires = 24h});
//   (*backend)->store(meta, deadline, [](Result<void, Failure> stored) { ... });
//   (*backend)->watch(task_id, [](const task::ResultMeta& meta) { ... });
//
// Every operation has a deadline and calls done exactly once, also when the connection breaks meanwhile (it is made
// again, and what was asked is asked again, which is harmless: each operation done twice leaves what it left once).
// Only close() and the destructor end an operation earlier, as unavailable. A deadline in the past is allowed: done
// hears timed_out. Order: the operations of one task or of one group that one backend object is asked for are done in
// the order in which they were asked for, but for those that time out.
//
// Chords. The parts of a group are counted where they are kept, atomically, so that workers of any number, in any
// language, find out which of them was the last, and nobody polls:
//
//   set_chord_size(group, n)     by who sends the header, before its last task is published
//   add_to_chord(group, id, n)   by a part that adds others to its own chord, before any of them is published; whatever
//                                it adds is told at once, so that a part that runs again adds nothing more
//   chord_part_return(part)      by each part's worker, once its result stands; before the part is acknowledged
//   forget_chord(group)          by the one that heard complete() without a failure, once the body is confirmed
//
// A worker that dies between the last two has not acknowledged its part: the part runs again, returns again, counts
// once and hears complete() again. So a body can be published twice, under the same id, but is never lost.
//
// Threads: everything, and every callback, on the loop's thread. Callbacks come in a later turn or in the same, but
// never before the call has returned. Lifetime: the loop outlives the backend; done functions that wait when it is
// destroyed hear unavailable before the destructor has returned.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "protocol/task/result.h"
#include "protocol/task/value.h"

namespace wherry::net {
class EventLoop;
}

namespace wherry::results {

struct Failure {
  enum class Kind {
    unavailable,  // It could not be reached, or did not let us in, or cannot do it now (full, loading).
    timed_out,    // No answer by the deadline, though it was there.
    refused,      // Asking again would be the same: a value that cannot be written, a row that cannot be read.
  };
  Kind kind = Kind::unavailable;
  std::string message = {};  // One sentence; no password in it.
};
template <class T>
using Outcome = Result<T, Failure>;
template <class T = void>
using Done = std::function<void(Outcome<T>)>;

// One part of a group, as its worker hands it in. meta: task_id, status (SUCCESS, FAILURE or REVOKED), and result or
// exception; nothing else of it is kept. group_index: its place among the results; without it, behind those with one.
struct ChordPart {
  std::string group_id = {};
  std::optional<std::int64_t> group_index = {};
  task::ResultMeta meta = {};
};

struct ChordProgress {
  std::size_t returned = 0;                  // How many different parts have returned.
  std::optional<std::size_t> size = {};      // With what was added; unknown before set_chord_size(), or once forgotten.
  std::vector<task::ResultMeta> parts = {};  // When complete(): all, in order; task_id, status, result, exception.

  bool complete() const { return size && returned >= *size; }
};

struct BackendOptions {
  std::chrono::milliseconds expires{86'400'000};  // Results and chords are dropped after this. 0: never.
  std::chrono::milliseconds backoff_first{200};   // Connecting again: random waits that double.
  std::chrono::milliseconds backoff_max{5'000};
  std::string name = {};  // What an operator of the store sees as the connection's name, where it has such.
};

class ResultBackend {
 public:
  using Hear = std::function<void(const task::ResultMeta&)>;
  virtual ~ResultBackend() = default;

  // --- results -------------------------------------------------------------------------------------------------------
  // Replaces what is there, but never a SUCCESS: a task that runs once more does not take a result away. Tells
  // watchers.
  virtual void store(task::ResultMeta meta, Monotonic deadline, Done<> done) = 0;
  // Nothing: no such task, not reported yet, or expired.
  virtual void get(std::string task_id, Monotonic deadline, Done<std::optional<task::ResultMeta>> done) = 0;
  virtual void forget(std::string task_id, Monotonic deadline, Done<> done) = 0;

  // Calls hear with what stands now, if anything does, and with what is stored from now on, until unwatch() or, by
  // itself, after a state that is_ready(). While the connection is down nothing is heard; when it is back, what stands
  // then. The newest state always comes; states between may be left out, and one may come twice. One watch an id: a
  // second replaces the first.
  virtual void watch(const std::string& task_id, Hear hear) = 0;
  virtual void unwatch(const std::string& task_id) = 0;

  // --- groups: Celery's GroupResult.save() and restore(); the value is its tuple -------------------------------------
  virtual void save_group(std::string group_id, task::Value tuple, Monotonic deadline, Done<> done) = 0;
  virtual void restore_group(std::string group_id, Monotonic deadline, Done<std::optional<task::Value>> done) = 0;
  virtual void forget_group(std::string group_id, Monotonic deadline, Done<> done) = 0;

  // --- chords; see above ---------------------------------------------------------------------------------------------
  virtual void set_chord_size(std::string group_id, std::size_t size, Monotonic deadline, Done<> done) = 0;
  // by: the task that adds so many; the second time it says so nothing is added.
  virtual void add_to_chord(std::string group_id, std::string by, std::size_t count, Monotonic deadline,
                            Done<> done) = 0;
  virtual void chord_part_return(ChordPart part, Monotonic deadline, Done<ChordProgress> done) = 0;
  virtual void forget_chord(std::string group_id, Monotonic deadline, Done<> done) = 0;
};

// Whether it is a URL of a backend: redis://, sqlite://, postgresql://; "rpc", "rpc://" and "none" are not.
bool is_stored(std::string_view url);

// Connects in the background. Errors: a URL that cannot be used, one sentence, without its password.
//   redis://[[user]:password@]host[:port][/db]
//   sqlite:///relative/path, sqlite:////absolute/path
//   postgresql://...            as libpq takes it
Result<std::unique_ptr<ResultBackend>> open(net::EventLoop& loop, const std::string& url, BackendOptions options = {});
// Only whether the URL can be used.
Result<void> check(const std::string& url);

}  // namespace wherry::results
