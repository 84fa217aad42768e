// A run file of the schedule, damaged or made up: keys grow, and what is taken is what was written.
#include "broker/store/schedule_run.h"

#include "tests/fuzz/damage.h"

using namespace wherry;
using namespace wherry::broker;

namespace {

const std::string path = "delays/" + run_file_name(1);

void write_valid(Vfs& disk, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  auto writer = RunWriter::begin(
      disk, "delays", {.number = 1, .id = random(), .first_sequence = 1, .last_sequence = 1000, .replaces = {}});
  WHERRY_FUZZ_CHECK(writer);
  ScheduleKey key{1000, 0};
  for (auto left = 1 + random() % 80; left > 0; --left) {
    key.due_ms += random() % 3;
    ++key.sequence;
    const std::string body = fuzz::body_of(key.due_ms, key.sequence);
    auto message = Message::create({.exchange = "x", .routing_key = "k", .delivery_mode = 2, .body_size = body.size()});
    message->append_body(body);
    std::string payload;
    encode_scheduled(payload, key, "/", *message);
    WHERRY_FUZZ_CHECK((*writer)->add(key, payload));
  }
  WHERRY_FUZZ_CHECK((*writer)->finish());
}

}  // namespace

std::string fuzz::make_input(std::uint64_t seed) {
  return make_damage_input(seed, 1000, [](std::uint64_t which) {
    MemoryVfs disk;
    WHERRY_FUZZ_CHECK(disk.make_folder("delays"));
    write_valid(disk, which);
    return read_whole(disk, path);
  });
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::DamageInput input = fuzz::read_damage_input(fuzz::view(data, size));
  MemoryVfs disk;
  WHERRY_FUZZ_CHECK(disk.make_folder("delays"));
  bool changed = true;
  if (input.raw) {
    fuzz::write_whole(disk, path, input.rest);
  } else {
    write_valid(disk, input.seed);
    changed = fuzz::damage_disk(disk, {"delays"}, input.rest);
  }
  bool reported = false;
  const auto report = [&](const ScheduleDamage& damage) {
    reported = true;
    WHERRY_FUZZ_CHECK(damage.begin <= damage.end && !damage.what.empty());
  };
  auto run = open_run(disk, "delays", 1, report);
  if (!run || !*run) {
    WHERRY_FUZZ_CHECK(changed);
    return 0;
  }
  RunCursor cursor(disk, **run, report);
  if (input.seed % 2) cursor.seek_after({1000 + input.seed % 50, input.seed % 7});
  ScheduleKey last{};
  std::uint64_t steps = 0;
  while (!cursor.at_end()) {
    const ScheduleKey key = cursor.key();
    WHERRY_FUZZ_CHECK(steps++ == 0 || last < key);
    last = key;
    if (steps % 16 == 0) cursor.release();
    if (steps % 5 == 0) {
      cursor.skip();
      continue;
    }
    const auto taken = cursor.take();
    if (!taken || input.raw) continue;
    WHERRY_FUZZ_CHECK(taken->key == key && taken->body == fuzz::body_of(key.due_ms, key.sequence));
  }
  WHERRY_FUZZ_CHECK(changed || !reported);
  return 0;
}
