// A log file, damaged or made up: what is read has growing LSNs and is what was written, and the log that goes on from
// there keeps it.
#include "broker/store/log.h"
#include "tests/fuzz/damage.h"

using namespace wherry;
using namespace wherry::broker;

namespace {

Log::Options log_options(std::uint64_t seed) {
  auto random = std::make_shared<std::mt19937_64>(seed);
  return {.folder = "log", .file_bytes = 8192, .spare_files = 1, .random = [random] { return (*random)(); }};
}

// Two to five files; some lives of the log ended without a mark of what was synced.
void write_log(Vfs& disk, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  for (auto lives = 1 + random() % 3; lives > 0; --lives) {
    auto log = Log::open(disk, log_options(random()), [](const LogRecord&) {});
    WHERRY_FUZZ_CHECK(log);
    for (auto batches = random() % 12; batches > 0; --batches) {
      BatchBuilder batch;
      std::uint64_t lsn = (*log)->last_lsn();
      for (auto records = 1 + random() % 4; records > 0; --records) {
        ++lsn;
        batch.add(static_cast<std::uint8_t>(lsn % 5), fuzz::body_of(1, lsn));
      }
      WHERRY_FUZZ_CHECK((*log)->write(batch));
      if (random() % 2) WHERRY_FUZZ_CHECK((*log)->sync());
    }
    if (random() % 2) WHERRY_FUZZ_CHECK((*log)->close());
  }
}

using Records = std::vector<std::pair<std::uint64_t, std::string>>;

struct Collect {
  Records& records;
  void operator()(const LogRecord& record) const {
    WHERRY_FUZZ_CHECK(records.empty() || records.back().first < record.lsn);
    records.emplace_back(record.lsn, record.payload);
  }
};

}  // namespace

std::string fuzz::make_input(std::uint64_t seed) {
  return make_damage_input(seed, 1000, [](std::uint64_t which) {
    MemoryVfs disk;
    WHERRY_FUZZ_CHECK(disk.make_folder("log"));
    write_log(disk, which);
    return read_whole(disk, "log/" + log_file_name(1));
  });
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::DamageInput input = fuzz::read_damage_input(fuzz::view(data, size));
  MemoryVfs disk;
  WHERRY_FUZZ_CHECK(disk.make_folder("log"));
  if (input.raw) {
    fuzz::write_whole(disk, "log/" + log_file_name(1), input.rest);
  } else {
    write_log(disk, input.seed);
    fuzz::damage_disk(disk, {"log"}, input.rest);
  }

  Records found;
  auto log = Log::open(disk, log_options(input.seed + 1), Collect{found});
  if (!log) {
    WHERRY_FUZZ_CHECK(log.error().code == std::errc::not_supported);
    return 0;
  }
  if (!input.raw) {
    for (const auto& [lsn, payload] : found) WHERRY_FUZZ_CHECK(payload == fuzz::body_of(1, lsn));
  }
  for (const LogDamage& damage : (*log)->found().damage) WHERRY_FUZZ_CHECK(damage.begin <= damage.end);
  // An LSN at the end of its numbers is forged, and cannot be followed.
  if ((*log)->last_lsn() > std::uint64_t{1} << 62) return 0;
  BatchBuilder batch;
  batch.add(1, "more");
  const auto more = (*log)->write(batch);
  WHERRY_FUZZ_CHECK(more && (*log)->sync());
  WHERRY_FUZZ_CHECK(found.empty() || found.back().first < *more);
  log->reset();

  found.emplace_back(*more, "more");
  Records again;
  WHERRY_FUZZ_CHECK(Log::open(disk, log_options(input.seed + 2), Collect{again}));
  WHERRY_FUZZ_CHECK(again == found);
  return 0;
}
