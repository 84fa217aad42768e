#include "broker/store/log_format.h"

#include <cstring>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/crc32c.h"

namespace wherry::broker {
namespace {

constexpr std::string_view kFileMagic = "WHERRYLG";
constexpr std::string_view kBatchMagic = "WBAT";
constexpr std::size_t kSecondCopy = 2048;
constexpr std::size_t kFileHeaderCovered = 48;
constexpr std::size_t kBatchHeaderCovered = 36;
constexpr std::size_t kRecordStep = 8;

constexpr std::size_t round_up(std::size_t value, std::size_t step) {
  return (value + step - 1) / step * step;
}

std::uint32_t seed_of_log(std::uint64_t file_id) {
  char raw[8];
  store_big(raw, file_id);
  return crc32c({raw, sizeof raw});
}

// A record that strays into another batch of its file would have that one's LSNs.
std::uint32_t seed_of_records(std::uint32_t file_seed, std::uint64_t first_lsn) {
  char raw[8];
  store_big(raw, first_lsn);
  return crc32c_extend(file_seed, {raw, sizeof raw});
}

std::uint32_t record_checksum(std::uint32_t seed, std::string_view record) {
  return crc32c_extend(crc32c_extend(seed, record.substr(0, 4)), record.substr(8));
}

std::optional<LogFileHeader> decode_copy(std::string_view bytes, bool& newer) {
  if (bytes.size() < kFileHeaderCovered + 4 || bytes.substr(0, 8) != kFileMagic) return std::nullopt;
  if (crc32c(bytes.substr(0, kFileHeaderCovered)) != load_big<std::uint32_t>(bytes.data() + kFileHeaderCovered)) {
    return std::nullopt;
  }
  newer = newer || load_big<std::uint16_t>(bytes.data() + 8) != kLogVersion;
  return LogFileHeader{.sequence = load_big<std::uint64_t>(bytes.data() + 16),
                       .file_id = load_big<std::uint64_t>(bytes.data() + 24),
                       .first_lsn = load_big<std::uint64_t>(bytes.data() + 32),
                       .follows_lsn = load_big<std::uint64_t>(bytes.data() + 40)};
}

}  // namespace

std::string encode_log_header(const LogFileHeader& header) {
  std::string bytes(kLogHeaderBytes, '\0');
  char* at = bytes.data();
  std::memcpy(at, kFileMagic.data(), kFileMagic.size());
  store_big(at + 8, kLogVersion);
  store_big(at + 16, header.sequence);
  store_big(at + 24, header.file_id);
  store_big(at + 32, header.first_lsn);
  store_big(at + 40, header.follows_lsn);
  store_big(at + kFileHeaderCovered, crc32c({at, kFileHeaderCovered}));
  std::memcpy(at + kSecondCopy, at, kFileHeaderCovered + 4);
  return bytes;
}

Result<ReadLogHeader, LogHeaderFault> decode_log_header(std::string_view bytes) {
  bool newer = false;
  const auto first = decode_copy(bytes, newer);
  const auto second = bytes.size() < kSecondCopy ? std::nullopt : decode_copy(bytes.substr(kSecondCopy), newer);
  if (newer) return tl::unexpected(LogHeaderFault::newer_version);
  if (!first && !second) return tl::unexpected(LogHeaderFault::damaged);
  return ReadLogHeader{.header = first ? *first : *second, .copy_damaged = !first || !second};
}

void BatchBuilder::clear() {
  bytes_.assign(kBatchHeaderBytes, '\0');
  end_ = kBatchHeaderBytes;
  records_ = 0;
}

std::size_t BatchBuilder::size_bytes() const {
  return round_up(end_, kBatchStep);
}

std::size_t BatchBuilder::size_bytes_with(std::size_t payload_bytes) const {
  return round_up(end_ + round_up(kRecordHeaderBytes + payload_bytes, kRecordStep), kBatchStep);
}

void BatchBuilder::add(std::uint8_t type, std::initializer_list<std::string_view> parts) {
  std::size_t payload_bytes = 0;
  for (std::string_view part : parts) payload_bytes += part.size();
  WHERRY_ASSERT(payload_bytes <= kMaxPayloadBytes);
  const std::size_t size = round_up(kRecordHeaderBytes + payload_bytes, kRecordStep);
  WHERRY_ASSERT(end_ + size <= kMaxBatchBytes - kBatchStep);
  bytes_.resize(end_);
  char header[kRecordHeaderBytes] = {};
  store_big(header, static_cast<std::uint32_t>(payload_bytes));
  store_big(header + 8, records_);
  header[12] = static_cast<char>(type);
  bytes_.append(header, sizeof header);
  for (std::string_view part : parts) bytes_.append(part);
  end_ += size;
  bytes_.resize(end_);
  ++records_;
}

std::string_view BatchBuilder::seal(std::uint64_t file_id, std::uint64_t first_lsn, std::uint64_t durable_lsn) {
  const std::uint32_t seed = seed_of_log(file_id);
  bytes_.resize(size_bytes());
  char* at = bytes_.data();
  std::memcpy(at, kBatchMagic.data(), kBatchMagic.size());
  store_big(at + 4, static_cast<std::uint32_t>(file_id));
  store_big(at + 8, kLogVersion);
  store_big(at + 12, records_);
  store_big(at + 16, first_lsn);
  store_big(at + 24, durable_lsn);
  store_big(at + 32, static_cast<std::uint32_t>(end_ - kBatchHeaderBytes));
  store_big(at + kBatchHeaderCovered, crc32c_extend(seed, {at, kBatchHeaderCovered}));
  const std::uint32_t record_seed = seed_of_records(seed, first_lsn);
  for (std::size_t record = kBatchHeaderBytes; record < end_;) {
    const std::size_t size = kRecordHeaderBytes + load_big<std::uint32_t>(at + record);
    store_big(at + record + 4, record_checksum(record_seed, {at + record, size}));
    record += round_up(size, kRecordStep);
  }
  return bytes_;
}

std::uint64_t BatchHeader::step_bytes() const {
  return round_up(kBatchHeaderBytes + length, kBatchStep);
}

std::optional<BatchHeader> decode_batch_header(std::string_view bytes, std::uint64_t file_id) {
  if (bytes.size() < kBatchHeaderBytes || bytes.substr(0, 4) != kBatchMagic) return std::nullopt;
  const char* at = bytes.data();
  if (load_big<std::uint32_t>(at + 4) != static_cast<std::uint32_t>(file_id)) return std::nullopt;
  const std::uint32_t checksum = crc32c_extend(seed_of_log(file_id), bytes.substr(0, kBatchHeaderCovered));
  if (checksum != load_big<std::uint32_t>(at + kBatchHeaderCovered)) return std::nullopt;
  if (load_big<std::uint16_t>(at + 8) != kLogVersion) return std::nullopt;
  return BatchHeader{.record_count = load_big<std::uint32_t>(at + 12),
                     .length = load_big<std::uint32_t>(at + 32),
                     .first_lsn = load_big<std::uint64_t>(at + 16),
                     .durable_lsn = load_big<std::uint64_t>(at + 24)};
}

std::size_t find_batch(std::string_view bytes, std::uint64_t file_id) {
  for (std::size_t at = 0; at + kBatchHeaderBytes <= bytes.size(); at += kBatchStep) {
    if (decode_batch_header(bytes.substr(at), file_id)) return at;
  }
  return std::string_view::npos;
}

std::uint32_t read_records(const BatchHeader& header, std::string_view records, std::uint64_t file_id,
                           const std::function<void(const LogRecord&)>& each) {
  const std::uint32_t seed = seed_of_records(seed_of_log(file_id), header.first_lsn);
  records = records.substr(0, header.length);
  std::uint32_t whole = 0;
  std::uint32_t next_index = 0;
  std::size_t at = 0;
  while (next_index < header.record_count && at + kRecordHeaderBytes <= records.size()) {
    const char* raw = records.data() + at;
    const std::size_t size = kRecordHeaderBytes + load_big<std::uint32_t>(raw);
    const std::uint32_t index = load_big<std::uint32_t>(raw + 8);
    // The cheap conditions first: where a length is broken, this is asked at every step through the bodies.
    if (size > records.size() - at || index < next_index || index >= header.record_count ||
        record_checksum(seed, records.substr(at, size)) != load_big<std::uint32_t>(raw + 4)) {
      at += kRecordStep;
      continue;
    }
    each({.lsn = header.first_lsn + index,
          .type = static_cast<std::uint8_t>(raw[12]),
          .payload = records.substr(at + kRecordHeaderBytes, size - kRecordHeaderBytes)});
    ++whole;
    next_index = index + 1;
    at += round_up(size, kRecordStep);
  }
  return whole;
}

}  // namespace wherry::broker
