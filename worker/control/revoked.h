// Revoked: the ids of tasks that are not to be run, the newest most_revoked of them.
//
// A revoke names a task that may be anywhere: in a queue, held by the broker for weeks, with another worker. So each
// worker remembers the ids, tells them to those that start after it (Celery's mingle), and keeps them in a file when it
// has one. The file is text, a line for each id: seconds since 1970, a space, the id. Lines are appended and synced
// before add() returns; a last line that was cut short by a crash is ignored. It is written anew (beside, then renamed)
// when it is read and when it has grown to several times what it holds.
//
// Limits: most_revoked ids (the oldest go first) of at most most_id_bytes, each for keep_revoked: longer than any delay
// that a broker holds. Longer ids and those with control characters are not taken.
// Errors: a file that cannot be read or written is said in the log once; the ids in memory count all the same.
// Threads: one at a time; the worker's loop.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "protocol/task/value.h"

namespace wherry::worker {

class Revoked {
 public:
  static constexpr std::size_t most_revoked = 50'000;
  static constexpr std::size_t most_id_bytes = 255;
  static constexpr std::chrono::hours keep_revoked{24 * 50};

  // path: the file that keeps them; empty for none.
  Revoked(std::string path, WallTime now);
  ~Revoked();
  Revoked(const Revoked&) = delete;
  Revoked& operator=(const Revoked&) = delete;

  bool contains(const std::string& id) const { return since_.contains(id); }
  bool empty() const { return since_.empty(); }
  std::size_t size() const { return since_.size(); }
  // Oldest first.
  std::vector<std::string> ids() const { return {order_.begin(), order_.end()}; }

  // Returns those that were not known.
  std::vector<std::string> add(const std::vector<std::string>& ids, WallTime now);
  // Ids as a peer sends them in `hello`: a map from id to when (as its own monotonic clock has it, which says nothing
  // here), or an array of ids. Returns those that were not known.
  std::vector<std::string> merge(const task::Value& from_peer, WallTime now);
  // The same for a peer: what Celery's LimitedSet takes.
  task::Value::Map for_peer(WallTime now) const;

 private:
  bool insert(const std::string& id, WallTime since);
  void forget_old(WallTime now);
  void load(WallTime now);
  void write_anew();
  void append(const std::vector<std::string>& ids, WallTime now);
  void complain(std::string_view what);

  const std::string path_;
  int file_ = -1;
  std::size_t lines_ = 0;
  bool complained_ = false;
  std::deque<std::string> order_;
  std::unordered_map<std::string, WallTime> since_;
};

}  // namespace wherry::worker
