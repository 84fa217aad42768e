// ReadAhead: how many tasks a worker takes from the broker beyond its free slots, so that short ones do not each wait
// for a round trip. Only what is likely to begin within work_ahead: in the mean of the last runs, a slot for a slot.
// Long tasks have none, and nothing is read ahead until some hundred runs have been short.
//
// A mean can be wrong. When a slot is kept longer than that while something that was read ahead waits, the runtime
// gives what waits back to the broker, for other workers, and says so by stalled() (docs/decisions/read-ahead.md).
//
// Threads: plain data.
#pragma once

#include <algorithm>
#include <chrono>

namespace wherry::worker {

class ReadAhead {
 public:
  using Duration = std::chrono::duration<double>;

  static constexpr Duration work_ahead = std::chrono::milliseconds(2);
  static constexpr std::chrono::milliseconds patience{20};  // For a slot, while something waits that was read ahead.
  static constexpr unsigned most = 256;                     // For each slot.

  unsigned tasks_per_slot() const { return tasks_; }

  // A function ran for so long. Whether tasks_per_slot() is another now: it changes by factors of two at least, since
  // each change is a message to the broker.
  bool ran(Duration run) {
    mean_ += (run - mean_) / window;
    return settle();
  }
  // Something waited for longer than patience: as good as a window of runs that long.
  bool stalled() {
    mean_ = std::max(mean_, Duration(patience));
    return settle();
  }

 private:
  static constexpr double window = 64;

  bool settle() {
    const double fits = std::min(work_ahead / std::max(mean_, Duration(1e-9)), double{most});
    const unsigned wanted = static_cast<unsigned>(fits);
    if (wanted == tasks_ || (wanted < 2 * tasks_ && wanted > tasks_ / 2)) return false;
    tasks_ = wanted;
    return true;
  }

  Duration mean_ = std::chrono::seconds(1);
  unsigned tasks_ = 0;
};

}  // namespace wherry::worker
