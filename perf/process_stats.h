// What a process and its children cost: processor time, memory and disk writes from /proc, and what else the machine
// did.
//
//   auto watch = ProcessWatch::of({pid});
//   Meter meter(*watch);  meter.start(); ...; Usage usage = meter.stop();
//
// Processor time is the kernel's exact clock of each process where this user may read it, else clock ticks (10 ms).
// Children are those that live when a sample is taken, and those that ended and were waited for.
// Units are in the names. Limits: Linux. Errors: a process that does not exist. Threads: one at a time.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"

namespace wherry::perf {

struct ProcessSample {
  bool valid = false;  // False when nothing is watched, or it is gone.
  double cpu_us = 0;
  double user_us = 0;  // By clock ticks, as is the next: their ratio is what they are good for.
  double system_us = 0;
  std::uint64_t memory_kb = 0;     // Resident.
  std::uint64_t anonymous_kb = 0;  // The part of it that is no file's.
  std::uint64_t peak_kb = 0;
  std::uint64_t written_bytes = 0;  // Sent to disks by it, as the kernel counts.
  int threads = 0;
};

class ProcessWatch {
 public:
  ProcessWatch() = default;  // Watches nothing.
  static Result<ProcessWatch> of(std::vector<int> pids);

  bool watches() const { return !pids_.empty(); }
  ProcessSample sample() const;
  void reset_peak() const;  // Where this user may; without that the peak is the one since the process began.

 private:
  std::vector<int> tree() const;
  std::vector<int> pids_;
};

struct Usage {
  ProcessSample before;
  ProcessSample after;
  double wall_us = 0;
  double own_us = 0;        // Processor time of this process.
  double other_cores = 0;   // What neither of them used: another program disturbs the measurement.
  double stolen_share = 0;  // Of the machine's time, taken by its host.

  double cpu_us() const { return after.cpu_us - before.cpu_us; }
  double cores() const { return wall_us > 0 ? cpu_us() / wall_us : 0; }
  double kernel_share() const;
  // Never negative: what children that ended had written is not known any more.
  double written_mib() const;
};

class Meter {
 public:
  explicit Meter(const ProcessWatch& watch) : watch_(watch) {}
  void start();
  Usage stop();
  const ProcessSample& before() const { return usage_.before; }

 private:
  struct Machine {
    double busy_us = 0;
    double stolen_us = 0;
    double total_us = 0;
  };
  static Machine machine();

  const ProcessWatch& watch_;
  Usage usage_;
  Machine machine_;
  std::uint64_t began_ns_ = 0;
  double own_us_ = 0;
};

}  // namespace wherry::perf
