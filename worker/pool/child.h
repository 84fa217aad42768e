// A child: runs one task after the other that its worker sends it, until the worker closes its end.
//
// It has two threads: one hears the worker (a soft limit, a wish to stop), the other runs functions; a coroutine goes
// on there too. What it has of the worker's program is what was there at the fork; its connections, files and threads
// of its own it makes itself, in its tasks, and keeps from one to the next. Threads: never returns.
#pragma once

#include <cstdint>

#include "wherry/registry.h"

namespace wherry::worker {

struct ChildLimits {
  // What it may allocate beyond what it starts with (RLIMIT_DATA: heap, private writable mappings); 0: no limit. Beyond
  // that an allocation fails, with std::bad_alloc in C++.
  std::uint64_t memory_bytes = 0;
};

[[noreturn]] void serve_tasks(int socket, int crash_file, const Registry& registry, const ChildLimits& limits);

}  // namespace wherry::worker
