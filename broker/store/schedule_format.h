// The bytes of the schedule: its records in the log, and the parts of a run file. docs/schedule-format.md is the
// source, with diagrams.
//
//   encode_scheduled(payload, {due_ms, sequence}, vhost, *message);
//   auto read = decode_scheduled(payload);        // views into payload
//   MessageRef due = message_of(*read);
//
// Pure: no file is touched here. Views that are handed out point into the bytes that were handed in. Damage is no error
// here: what is not whole decodes to nothing. Threads: any. Limits: kMaxPayloadBytes (log_format.h) a record, 65,535
// bytes a virtual host's name, kMaxReplacedRuns runs replaced by one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "broker/queueing/delay_store.h"

namespace wherry::broker {

// --- records in the log ----------------------------------------------------------------------------------------------

struct ScheduledView {
  ScheduleKey key;
  bool persistent = false;
  std::uint8_t priority = 0;
  QueueId queue = 0;  // That it is held for; 0: the exchange says where it goes.
  std::string_view vhost;
  std::string_view exchange;
  std::string_view routing_key;
  std::string_view properties;
  std::string_view body;
};

// Appends to `into`. The same bytes are the payload of a log record and of an entry in a run.
void encode_scheduled(std::string& into, ScheduleKey key, std::string_view vhost, const Message& message,
                      QueueId queue = 0);
std::optional<ScheduledView> decode_scheduled(std::string_view payload);
// Published when it was due.
MessageRef message_of(const ScheduledView& scheduled);

struct ScheduleWatermark {
  ScheduleKey fired;                // All keys up to here have fired.
  std::uint64_t next_sequence = 1;  // All that were given away are smaller.
};
std::string encode_fired(const ScheduleWatermark& watermark);
std::optional<ScheduleWatermark> decode_fired(std::string_view payload);

struct ScheduleDrop {
  std::uint64_t sequence = 0;  // Messages up to here are gone.
  std::string vhost;
  std::string exchange;
};
std::string encode_dropped(const ScheduleDrop& drop);
std::optional<ScheduleDrop> decode_dropped(std::string_view payload);

// What is held for a queue no more: one message or, where its key has no time, all of them up to its sequence.
struct ScheduleWithdrawal {
  QueueId queue = 0;
  ScheduleKey key;
};
std::string encode_withdrawn(const ScheduleWithdrawal& withdrawal);
std::optional<ScheduleWithdrawal> decode_withdrawn(std::string_view payload);

// --- run files -------------------------------------------------------------------------------------------------------

constexpr std::uint16_t kRunVersion = 1;
constexpr std::size_t kMaxReplacedRuns = 1024;
constexpr std::size_t kMaxRunHeaderBytes = 56 + 8 * kMaxReplacedRuns;
constexpr std::size_t kRunFooterBytes = 88;
constexpr std::size_t kRunIndexBytes = 40;
constexpr std::size_t kRunEntryHeaderBytes = 16;
constexpr std::size_t kRunEntryPeekBytes = 32;  // Header and key: what is needed to know that an entry begins here.
constexpr std::size_t kRunStep = 8;             // Entries begin at multiples of it.
constexpr std::size_t kRunBlockBytes = std::size_t{64} << 10;

struct RunHeader {
  std::uint64_t number = 0;  // As in the file's name.
  std::uint64_t id = 0;      // Random: seeds every checksum of index and entries.
  std::uint64_t first_sequence = 0;
  std::uint64_t last_sequence = 0;      // What was scheduled up to here is in a run, or needed no more.
  bool holds = false;                   // Messages that are held for queues, maybe.
  std::vector<std::uint64_t> replaces;  // Numbers of runs whose messages are in this one.

  std::size_t size_bytes() const { return 56 + 8 * replaces.size(); }
};
std::string encode_run_header(const RunHeader& header);
enum class RunHeaderFault { damaged, newer_version };
// The header at the beginning of `bytes`.
Result<RunHeader, RunHeaderFault> decode_run_header(std::string_view bytes);

struct RunFooter {
  std::uint64_t id = 0;
  std::uint64_t index_offset = 0;  // The entries end here.
  std::uint32_t index_entries = 0;
  std::uint32_t header_bytes = 0;
  std::uint64_t entries = 0;
  std::uint64_t payload_bytes = 0;
  ScheduleKey first;
  ScheduleKey last;

  std::uint64_t file_bytes() const {
    return index_offset + std::uint64_t{index_entries} * kRunIndexBytes + header_bytes + kRunFooterBytes;
  }
};
std::string encode_run_footer(const RunFooter& footer);
std::optional<RunFooter> decode_run_footer(std::string_view bytes);

// The first entry of each block.
struct RunIndexEntry {
  std::uint64_t offset = 0;
  ScheduleKey key;
  std::uint64_t ordinal = 0;  // Entries before it.
};

// Checksums of one run.
class RunSeal {
 public:
  explicit RunSeal(std::uint64_t run_id);

  void append_index(std::string& into, const RunIndexEntry& entry) const;
  std::optional<RunIndexEntry> index(std::string_view bytes) const;

  // Payload as of encode_scheduled().
  void append_entry(std::string& into, std::string_view payload) const;
  struct Peeked {
    ScheduleKey key;
    std::uint32_t length = 0;  // Of the payload, behind the header.
    std::uint32_t payload_crc = 0;
    std::uint64_t step_bytes() const;  // To the next entry.
  };
  // `bytes`: kRunEntryPeekBytes. Nothing when no entry of this run begins here; its payload may be damaged all the
  // same.
  std::optional<Peeked> peek(std::string_view bytes) const;
  bool whole(const Peeked& entry, std::string_view payload) const;

 private:
  const std::uint32_t mark_;
  const std::uint32_t seed_;
};

std::string run_file_name(std::uint64_t number);
// Nothing when it is not the name of a run with that ending (".run", ".run.new", ".run.damaged").
std::optional<std::uint64_t> run_number(std::string_view file_name, std::string_view ending);

}  // namespace wherry::broker
