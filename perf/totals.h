// What all producers and consumers of one run count together.
// Threads: the run's one thread.
#pragma once

#include <cstdint>
#include <string>

#include "perf/histogram.h"

namespace wherry::perf {

struct Totals {
  std::uint64_t published = 0;     // Handed to the kernel, to the last byte.
  std::uint64_t half_written = 0;  // Messages of which the kernel has taken a part.
  std::uint64_t confirmed = 0;     // Acks and nacks.
  std::uint64_t refused = 0;       // The nacks among them.
  std::uint64_t returned = 0;
  std::uint64_t delivered = 0;
  std::uint64_t last_confirm_ns = 0;
  std::uint64_t last_delivery_ns = 0;

  Histogram end_to_end;  // From when a message was due to when it was read. Nanoseconds, as all of these.
  Histogram confirming;  // From when it was due or sent to its confirm.
  Histogram late;        // By how much the tool itself was behind its pace.
  bool recording = true;

  unsigned blocked = 0;  // Producers that connection.blocked holds at the moment.
  bool ever_blocked = false;
  std::string block_reason;
  std::string failure;  // The first thing that went wrong, or empty.

  void fail(std::string what) {
    if (failure.empty()) failure = std::move(what);
  }
};

}  // namespace wherry::perf
