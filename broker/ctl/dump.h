// Dump: the messages that a restart would bring back, and the log's records, as text or as lines of JSON.
//
//   Dump dump({.bodies = true}, names, [](const std::string& line) { puts(line.c_str()); });
//   auto done = dump.messages(*read_shard(disk, "DATA/shard-0"));
//
// Order: by queue, then position. Reads pages one by one. Threads: one. Errors: DiskError; messages that are damaged
// are left out and counted.
#pragma once

#include <optional>

#include "broker/ctl/queue_names.h"
#include "broker/ctl/shards.h"

namespace wherry::broker {

struct DumpOptions {
  std::optional<QueueId> queue = {};
  std::uint64_t limit = ~std::uint64_t{0};  // Of all.
  bool bodies = false;
  bool json = false;
};

class Dump {
 public:
  using Print = std::function<void(const std::string& line)>;
  Dump(DumpOptions options, const QueueNames& names, Print print)
      : options_(options), names_(names), print_(std::move(print)) {}

  DiskResult<void> messages(ShardContents& shard);
  // One record of the log; what it says is not judged.
  void record(const LogRecord& record);

  std::uint64_t printed() const { return printed_; }
  std::uint64_t unreadable() const { return unreadable_; }
  bool full() const { return printed_ >= options_.limit; }

 private:
  void message(QueueId queue, Position at, const Message& message, std::uint32_t delivery_count,
               const std::string& where);

  const DumpOptions options_;
  const QueueNames& names_;
  const Print print_;
  std::uint64_t printed_ = 0;
  std::uint64_t unreadable_ = 0;
};

// "2026-11-29 01:10:00.123 UTC"
std::string time_text(std::uint64_t posix_ms);

}  // namespace wherry::broker
