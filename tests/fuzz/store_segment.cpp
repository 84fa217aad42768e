// A segment, damaged or made up: what is read from its pages is what was written.
#include <set>

#include "broker/store/segment.h"
#include "tests/fuzz/damage.h"

using namespace wherry;
using namespace wherry::broker;

namespace {

const std::string path = "segments/" + segment_file_name(1);

// A few queues of which it has a few hundred positions.
void write_valid(Vfs& disk, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<SegmentEntry> entries;
  for (QueueId queue = 1 + random() % 3; queue < 9; queue += 1 + random() % 4) {
    Position at = random() % 200;
    for (auto left = random() % 60; left > 0; --left) {
      at += 1 + (random() % 4 == 0 ? random() % 100 : 0);
      auto message = Message::create(
          {.exchange = "x", .routing_key = "k", .delivery_mode = 2, .body_size = fuzz::body_of(queue, at).size()});
      message->append_body(fuzz::body_of(queue, at));
      entries.push_back({queue, at, message, static_cast<std::uint32_t>(random() % 3)});
    }
  }
  SegmentHeader header{.sequence = 1, .file_id = random() | 1, .replaces = {}};
  for (auto left = random() % 3; left > 0; --left) header.replaces.push_back(100 + left);
  std::size_t next = 0;
  auto written = write_segment(disk, "segments", header, [&](SegmentEntry& into) {
    if (next == entries.size()) return false;
    into = entries[next++];
    return true;
  });
  WHERRY_FUZZ_CHECK(written);
}

}  // namespace

std::string fuzz::make_input(std::uint64_t seed) {
  return make_damage_input(seed, 1000, [](std::uint64_t which) {
    MemoryVfs disk;
    WHERRY_FUZZ_CHECK(disk.make_folder("segments"));
    write_valid(disk, which);
    return read_whole(disk, path);
  });
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::DamageInput input = fuzz::read_damage_input(fuzz::view(data, size));
  MemoryVfs disk;
  WHERRY_FUZZ_CHECK(disk.make_folder("segments"));
  if (input.raw) {
    fuzz::write_whole(disk, path, input.rest);
  } else {
    write_valid(disk, input.seed);
    fuzz::damage_disk(disk, {"segments"}, input.rest);
  }
  auto segment = Segment::open(disk, "segments", 1);
  if (!segment) {
    WHERRY_FUZZ_CHECK(segment.error().code == std::errc::not_supported ||
                      segment.error().code == std::errc::no_such_file_or_directory);
    return 0;
  }
  const SegmentContents contents = (*segment)->take_contents();
  std::string buffer;
  for (const PageInfo& page : contents.pages) {
    WHERRY_FUZZ_CHECK(page.written.any());
    std::set<Position> seen;
    const auto each = [&](std::string_view raw) {
      const SegmentEntry entry = decode_segment_entry(raw);
      const EntryPlace place = entry_place(raw);
      WHERRY_FUZZ_CHECK(place.queue == entry.queue && place.at == entry.at);
      if (input.raw) return;
      WHERRY_FUZZ_CHECK(entry.message && entry.message->body() == fuzz::body_of(entry.queue, entry.at));
      seen.insert(entry.at);
    };
    const auto damaged = [&](const SegmentDamage& damage) { WHERRY_FUZZ_CHECK(damage.begin < damage.end); };
    WHERRY_FUZZ_CHECK((*segment)->read_page(page.offset, page.length, buffer, each, damaged));
  }
  return 0;
}
