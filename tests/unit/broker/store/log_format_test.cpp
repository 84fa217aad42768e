#include "broker/store/log_format.h"

#include <random>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

using namespace wherry::broker;

namespace {

constexpr std::uint64_t id = 0x123456789abcdef0;

struct Kept {
  std::uint64_t lsn;
  std::uint8_t type;
  std::string payload;
  bool operator==(const Kept&) const = default;
};

std::vector<Kept> read(std::string_view batch, std::uint64_t file_id = id) {
  std::vector<Kept> kept;
  const auto header = decode_batch_header(batch, file_id);
  if (!header) return kept;
  const std::uint32_t whole =
      read_records(*header, batch.substr(kBatchHeaderBytes), file_id, [&](const LogRecord& record) {
        kept.push_back({record.lsn, record.type, std::string(record.payload)});
      });
  REQUIRE(whole == kept.size());
  return kept;
}

std::vector<Kept> random_records(std::mt19937_64& random, std::uint64_t first_lsn) {
  std::vector<Kept> records;
  for (std::size_t count = 1 + random() % 12; records.size() < count;) {
    std::string payload(random() % 200, '\0');
    for (char& byte : payload) byte = static_cast<char>(random());
    records.push_back({first_lsn + records.size(), static_cast<std::uint8_t>(random()), payload});
  }
  return records;
}

std::string batch_of(const std::vector<Kept>& records, std::uint64_t file_id = id) {
  BatchBuilder builder;
  for (const Kept& record : records) builder.add(record.type, record.payload);
  return std::string(builder.seal(file_id, records.front().lsn, records.front().lsn - 1));
}

// Whether `some` is what is left of `all`: in order, nothing twice, nothing that was not there.
bool left_of(const std::vector<Kept>& some, const std::vector<Kept>& all) {
  std::size_t at = 0;
  for (const Kept& one : some) {
    while (at < all.size() && !(all[at] == one)) ++at;
    if (at++ == all.size()) return false;
  }
  return true;
}

}  // namespace

TEST_CASE("a log file's header reads back, from either copy") {
  const LogFileHeader header{.sequence = 7, .file_id = id, .first_lsn = 1000, .follows_lsn = 998};
  const std::string bytes = encode_log_header(header);
  REQUIRE(bytes.size() == kLogHeaderBytes);
  for (const std::size_t damaged : {std::size_t{0}, std::size_t{30}, std::size_t{50}, std::size_t{2048 + 41}}) {
    std::string copy = bytes;
    copy[damaged] = static_cast<char>(copy[damaged] ^ 4);
    const auto read = decode_log_header(copy);
    REQUIRE(read);
    CHECK(read->copy_damaged);
    CHECK(read->header.sequence == 7);
    CHECK(read->header.file_id == id);
    CHECK(read->header.first_lsn == 1000);
    CHECK(read->header.follows_lsn == 998);
  }
  CHECK_FALSE(decode_log_header(bytes)->copy_damaged);
}

TEST_CASE("a log file's header with both copies damaged, cut off or empty is damaged") {
  std::string bytes = encode_log_header({.sequence = 1, .file_id = id});
  bytes[9] = static_cast<char>(bytes[9] ^ 1);
  bytes[2048 + 20] = static_cast<char>(bytes[2048 + 20] ^ 1);
  for (const std::string& wrong : {bytes, bytes.substr(0, 51), std::string(), std::string(kLogHeaderBytes, '\0')}) {
    const auto read = decode_log_header(wrong);
    REQUIRE_FALSE(read);
    CHECK(read.error() == LogHeaderFault::damaged);
  }
}

TEST_CASE("a batch reads back as it was built, with consecutive lsns, and is padded to its step") {
  std::mt19937_64 random(1);
  for (int run = 0; run < 300; ++run) {
    const auto records = random_records(random, 1 + random() % 1000);
    const std::string batch = batch_of(records);
    REQUIRE(batch.size() % kBatchStep == 0);
    REQUIRE(read(batch) == records);
    const auto header = decode_batch_header(batch, id);
    REQUIRE(header->record_count == records.size());
    REQUIRE(header->durable_lsn == records.front().lsn - 1);
    REQUIRE(header->step_bytes() == batch.size());
  }
}

TEST_CASE("a batch without records says how far the log is durable") {
  BatchBuilder builder;
  const std::string batch(builder.seal(id, 50, 49));
  const auto header = decode_batch_header(batch, id);
  REQUIRE(header);
  CHECK(header->record_count == 0);
  CHECK(header->durable_lsn == 49);
  CHECK(header->step_bytes() == kBatchStep);
}

TEST_CASE("a builder that was cleared or sealed for another file makes the same batch as a new one") {
  BatchBuilder builder;
  builder.add(9, "left over from before");
  builder.seal(1, 1, 0);
  builder.clear();
  builder.add(2, "a");
  builder.seal(1, 1, 0);
  builder.add(3, "b");
  CHECK(builder.records() == 2);
  CHECK(builder.seal(id, 5, 4) == batch_of({{5, 2, "a"}, {6, 3, "b"}}));
}

TEST_CASE("a batch of an earlier life of the file is not read, even where the visible half of the id is the same") {
  const std::string batch = batch_of({{1, 1, "old"}});
  CHECK_FALSE(decode_batch_header(batch, id + 1));
  CHECK_FALSE(decode_batch_header(batch, id ^ (std::uint64_t{1} << 40)));
  CHECK(find_batch(batch, id ^ (std::uint64_t{1} << 40)) == std::string_view::npos);
}

TEST_CASE("records of an earlier life are not read under a new header") {
  const std::uint64_t earlier = id ^ (std::uint64_t{1} << 40);
  std::string batch = batch_of({{1, 1, "new"}});
  batch.replace(kBatchHeaderBytes, std::string::npos, batch_of({{1, 1, "old"}}, earlier).substr(kBatchHeaderBytes));
  CHECK(decode_batch_header(batch, id));
  CHECK(read(batch).empty());
}

TEST_CASE("records that strayed from another batch of the file are not read") {
  std::string batch = batch_of({{7, 1, "new"}});
  batch.replace(kBatchHeaderBytes, std::string::npos, batch_of({{1, 1, "old"}}).substr(kBatchHeaderBytes));
  CHECK(decode_batch_header(batch, id));
  CHECK(read(batch).empty());
}

TEST_CASE("a flipped bit costs the record it lies in and no other") {
  std::mt19937_64 random(2);
  for (int run = 0; run < 60; ++run) {
    const auto records = random_records(random, 1);
    const std::string good = batch_of(records);
    for (std::size_t at = 0; at < good.size(); ++at) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ (1 << (random() % 8)));
      if (at < kBatchHeaderBytes) {
        REQUIRE_FALSE(decode_batch_header(bad, id));
        continue;
      }
      const auto kept = read(bad);
      REQUIRE(left_of(kept, records));
      REQUIRE(kept.size() + 1 >= records.size());
    }
  }
}

TEST_CASE("a torn batch gives the records that are whole, and nothing is invented") {
  std::mt19937_64 random(3);
  for (int run = 0; run < 2000; ++run) {
    const auto records = random_records(random, 1);
    std::string torn = batch_of(records);
    for (std::size_t sector = kBatchStep; sector < torn.size(); sector += kBatchStep) {
      if (random() % 3 == 0) torn.replace(sector, kBatchStep, std::string(kBatchStep, '\0'));
    }
    if (random() % 4 == 0) torn.resize(kBatchHeaderBytes + random() % (torn.size() - kBatchHeaderBytes));
    REQUIRE(left_of(read(torn), records));
  }
}

TEST_CASE("random bytes behind a good header are no records, and reading stays inside") {
  std::mt19937_64 random(4);
  for (int run = 0; run < 500; ++run) {
    std::string batch = batch_of(random_records(random, 1));
    for (std::size_t at = kBatchHeaderBytes; at < batch.size(); ++at) {
      batch[at] = static_cast<char>(random() % 3 == 0 ? random() : 0);
    }
    REQUIRE(read(batch).empty());
  }
}

TEST_CASE("the next batch is found behind damage") {
  const std::string first = batch_of({{1, 1, std::string(300, 'x')}});
  const std::string second = batch_of({{2, 1, "y"}});
  std::string bytes = first + second;
  CHECK(find_batch(bytes, id) == 0);
  bytes[3] = 'X';
  CHECK(find_batch(bytes, id) == first.size());
  CHECK(find_batch(std::string_view(bytes).substr(0, first.size() + 39), id) == std::string_view::npos);
  CHECK(find_batch({}, id) == std::string_view::npos);
}
