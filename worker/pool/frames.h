// What a worker and its children say to each other, over a pair of sockets: frames of a length (4 bytes, this machine's
// order: both ends are one program) and a MessagePack map.
//
//   worker -> child   {"run": {...}}: a message as it came from the broker, for the child decodes it itself; {"stop":
//   true} child -> worker   {"outcome": {...}, "resident": bytes}; {"progress": meta}
//
// Threads: no state, or one owner. Limits: 1 GiB a frame.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "protocol/task/value.h"
#include "sdk/link/messages.h"
#include "wherry/outcome.h"

namespace wherry::worker {

// Errors: a value that MessagePack cannot hold (text that is no UTF-8 in a result).
Result<std::string> encode_frame(const task::Value& value);
// Frames out of bytes as they come, however they are cut.
class FrameReader {
 public:
  void add(std::string_view bytes) { bytes_.append(bytes); }
  // Whether there was a whole one. Errors: not a frame; nothing can be read after it.
  Result<bool> next(task::Value& into);

 private:
  std::string bytes_;
  std::size_t taken_ = 0;
};

task::Value run_frame(const sdk::Delivery& delivery, std::optional<std::chrono::milliseconds> soft_time_limit);
struct RunRequest {
  sdk::Delivery delivery;
  std::optional<std::chrono::milliseconds> soft_time_limit;
};
Result<RunRequest> read_run(const task::Value& run);

task::Value outcome_frame(detail::Outcome outcome, std::uint64_t resident_bytes);
detail::Outcome read_outcome(const task::Value& outcome);

}  // namespace wherry::worker
