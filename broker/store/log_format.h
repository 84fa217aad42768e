// The bytes of a log file: file header, commit batches, record frames. docs/store-format.md is the source, with
// diagrams.
//
//   BatchBuilder batch;
//   batch.add(1, payload);
//   file.write_at(offset, batch.seal(file_id, first_lsn, durable_lsn));
//
// Pure: no file is touched here, and nothing is allocated for reading. Views that are handed out point into the bytes
// that were handed in. Threads: functions any; a BatchBuilder one at a time. Limits: kMaxPayloadBytes a record, and
// kMaxBatchBytes a batch; more is a bug of the caller. Damage is no error here: readers say what is whole.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace wherry::broker {

constexpr std::uint16_t kLogVersion = 1;
constexpr std::size_t kLogHeaderBytes = 4096;  // Two copies of the header, and zeros.
constexpr std::size_t kBatchStep = 64;         // Batches start at multiples of it.
constexpr std::size_t kBatchHeaderBytes = 40;
constexpr std::size_t kRecordHeaderBytes = 16;
constexpr std::size_t kMaxPayloadBytes = std::size_t{512} << 20;
constexpr std::size_t kMaxBatchBytes = std::size_t{1} << 31;  // Headers, records and padding.

struct LogFileHeader {
  std::uint64_t sequence = 0;
  std::uint64_t file_id = 0;      // Random for each life of the file: seeds every checksum in it.
  std::uint64_t first_lsn = 0;    // No record of the file has a smaller one.
  std::uint64_t follows_lsn = 0;  // The last record that counts in the files before.
};

// kLogHeaderBytes long.
std::string encode_log_header(const LogFileHeader& header);

enum class LogHeaderFault { damaged, newer_version };
struct ReadLogHeader {
  LogFileHeader header;
  bool copy_damaged = false;  // One of the two; the other was good.
};
// `bytes` is the beginning of a file; too short is damaged.
Result<ReadLogHeader, LogHeaderFault> decode_log_header(std::string_view bytes);

// Collects records and makes one batch of them. Records get consecutive LSNs, in the order of add().
class BatchBuilder {
 public:
  BatchBuilder() { clear(); }

  void add(std::uint8_t type, std::string_view payload) { add(type, {payload}); }
  // The payload in parts, one behind the other.
  void add(std::uint8_t type, std::initializer_list<std::string_view> parts);
  std::uint32_t records() const { return records_; }
  // What the batch takes in the file, a multiple of kBatchStep.
  std::size_t size_bytes() const;
  // And what it would take with one more record.
  std::size_t size_bytes_with(std::size_t payload_bytes) const;
  // The batch, to be written at a multiple of kBatchStep. Checksums are computed here, so the thread that writes pays
  // for them. The view lives until the next add(), seal() or clear(); sealing again for another file is allowed.
  std::string_view seal(std::uint64_t file_id, std::uint64_t first_lsn, std::uint64_t durable_lsn);
  // Empty again; memory is kept.
  void clear();

 private:
  std::string bytes_;
  std::size_t end_ = 0;  // Of the last record, without the batch's padding.
  std::uint32_t records_ = 0;
};

struct BatchHeader {
  std::uint32_t record_count = 0;
  std::uint32_t length = 0;  // Of the records, behind the header.
  std::uint64_t first_lsn = 0;
  std::uint64_t durable_lsn = 0;

  // From this batch's start to the place of the next.
  std::uint64_t step_bytes() const;
};

// The header at the beginning of `bytes`; nothing when it is not whole, or of another file or life.
std::optional<BatchHeader> decode_batch_header(std::string_view bytes, std::uint64_t file_id);

// Offset of the first good batch header in `bytes`, which begin at a multiple of kBatchStep; npos when there is none.
// Its records may be damaged all the same.
std::size_t find_batch(std::string_view bytes, std::uint64_t file_id);

struct LogRecord {
  std::uint64_t lsn = 0;
  std::uint8_t type = 0;
  std::string_view payload;
};

// Calls `each` for the whole records, in order, and returns how many there were: the batch is whole when that is its
// record_count. Damage is confined to the records it lies in: behind a broken length the next record is searched for.
// `records` is what follows the header, fewer than header.length bytes where the file ends early.
std::uint32_t read_records(const BatchHeader& header, std::string_view records, std::uint64_t file_id,
                           const std::function<void(const LogRecord&)>& each);

}  // namespace wherry::broker
