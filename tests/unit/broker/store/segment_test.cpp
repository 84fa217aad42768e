// Segments: what is written reads back, and damage costs what it hits.
#include "broker/store/segment.h"

#include <map>

#include <catch2/catch.hpp>

#include "broker/store/memory_vfs.h"

using namespace wherry::broker;

namespace {

const std::string folder = "segments";
const std::string path = folder + "/" + segment_file_name(3);

MessageRef message_of(std::string_view body) {
  auto message = Message::create({.exchange = "x", .routing_key = "k", .delivery_mode = 2, .body_size = body.size()});
  message->append_body(body);
  return message;
}

// Queue 1 has positions 1 to 200, queue 2 has 500 to 509; a body is "QUEUE/POSITION".
std::string write_one(MemoryVfs& disk) {
  REQUIRE(disk.make_folder(folder));
  std::vector<SegmentEntry> entries;
  for (Position at = 1; at <= 200; ++at) entries.push_back({1, at, message_of("1/" + std::to_string(at)), 0});
  for (Position at = 500; at < 510; ++at) entries.push_back({2, at, message_of("2/" + std::to_string(at)), 7});
  std::size_t next = 0;
  REQUIRE(write_segment(disk, folder, {.sequence = 3, .file_id = 77, .replaces = {1}}, [&](SegmentEntry& into) {
    if (next == entries.size()) return false;
    into = entries[next++];
    return true;
  }));
  auto file = disk.open(path, OpenMode::read);
  std::string bytes(*(*file)->size(), '\0');
  REQUIRE((*file)->read_at(0, bytes.data(), bytes.size()) == bytes.size());
  return bytes;
}

struct Read {
  std::map<std::pair<QueueId, Position>, std::string> messages;
  std::size_t damage = 0;
};

Read read(const std::string& bytes) {
  MemoryVfs disk;
  REQUIRE(disk.make_folder(folder));
  REQUIRE((*disk.open(path, OpenMode::create))->write_at(0, bytes));
  auto segment = Segment::open(disk, folder, 3);
  REQUIRE(segment);
  const SegmentContents contents = (*segment)->take_contents();
  Read read{.messages = {}, .damage = contents.damage.size()};
  std::string buffer;
  for (const PageInfo& page : contents.pages) {
    REQUIRE((*segment)->read_page(
        page.offset, page.length, buffer,
        [&](std::string_view raw) {
          const SegmentEntry entry = decode_segment_entry(raw);
          REQUIRE(entry.message);
          read.messages[{entry.queue, entry.at}] = entry.message->body();
        },
        [&](const SegmentDamage&) { ++read.damage; }));
  }
  for (const auto& [where, body] : read.messages) {
    REQUIRE(body == std::to_string(where.first) + "/" + std::to_string(where.second));
  }
  return read;
}

}  // namespace

TEST_CASE("a segment reads back as it was written") {
  MemoryVfs disk;
  const Read whole = read(write_one(disk));
  CHECK(whole.messages.size() == 210);
  CHECK(whole.damage == 0);
}

TEST_CASE("a segment that was cut off anywhere gives what is whole, and says that it is not all") {
  MemoryVfs disk;
  const std::string bytes = write_one(disk);
  std::size_t before = 0;
  for (std::size_t length = 0; length < bytes.size(); length += length < 200 ? 1 : 61) {
    CAPTURE(length);
    const Read cut = read(bytes.substr(0, length));
    // Behind the messages there is only what the file says of itself.
    if (cut.messages.size() < 210) CHECK(cut.damage > 0);
    CHECK(cut.messages.size() >= before);
    before = cut.messages.size();
  }
  CHECK(before == 210);
}

TEST_CASE("a flipped bit of a segment costs one message at most") {
  MemoryVfs disk;
  std::string bytes = write_one(disk);
  for (std::size_t at = 0; at < bytes.size(); at += 7) {
    CAPTURE(at);
    bytes[at] ^= 1;
    const Read damaged = read(bytes);
    CHECK(damaged.messages.size() >= 209);
    if (damaged.messages.size() < 210) CHECK(damaged.damage > 0);
    bytes[at] ^= 1;
  }
}
