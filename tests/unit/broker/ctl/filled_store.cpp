#include "tests/unit/broker/ctl/filled_store.h"

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "base/log.h"
#include "broker/ctl/shards.h"
#include "broker/store/disk_store.h"

namespace wherry::broker::test {

namespace {

MessageRef message(const std::string& body) {
  auto made = Message::create(
      {.routing_key = "jobs", .delivery_mode = 2, .body_size = body.size(), .published_ms = 1'800'000'000'000});
  made->append_body(body);
  return made;
}

std::unique_ptr<DiskStore> open(Vfs& disk, std::mt19937_64& random) {
  DiskStore::Options options;
  options.folder = shard;
  options.log_file_bytes = 16384;
  options.log_budget_bytes = 16384 * 3;
  options.memory_budget_bytes = 24576;
  options.dead_bytes_allowed = 16384;
  options.threads = false;
  options.random = [&random] { return random(); };
  DiskStore::Owner owner;
  owner.post = [](std::function<void()> work) { work(); };
  owner.failed = [](const DiskError& error) { FAIL(error.message); };
  auto store = DiskStore::open(disk, options, owner);
  REQUIRE(store);
  return std::move(*store);
}

}  // namespace

void fill_store(Vfs& disk, std::uint64_t seed) {
  // What the store says of damage is expected here.
  log::set_level(log::Level::off);
  std::mt19937_64 random(seed);
  const auto below = [&](std::uint64_t n) { return random() % n; };
  const std::uint64_t queues = 1 + below(4);
  std::map<QueueId, std::set<Position>> ready;
  std::map<QueueId, Position> next;
  {
    auto store = open(disk, random);
    const std::uint64_t turns = 50 + below(250);
    for (std::uint64_t turn = 0; turn < turns; ++turn) {
      for (std::uint64_t n = below(6); n > 0; --n) {
        const std::size_t size = below(40) == 0 ? 5000 : below(400);
        const MessageRef one =
            message(fmt::format("{}:", turn) + std::string(size, static_cast<char>('a' + below(26))));
        const QueueId first = 1 + below(queues);
        const QueueId last = below(5) == 0 ? queues : first;
        for (QueueId queue = first; queue <= last; ++queue) {
          const Position at = ++next[queue];
          store->append(queue, at, one, Durability::sync);
          ready[queue].insert(at);
        }
      }
      for (auto& [queue, positions] : ready) {
        if (positions.empty() || below(3) != 0) continue;
        auto at = positions.begin();
        std::advance(at, static_cast<std::ptrdiff_t>(below(positions.size())));
        if (below(4) == 0) {
          store->attempted(queue, *at, 1 + static_cast<std::uint32_t>(below(3)));
        } else if (below(20) == 0) {
          store->settle_range(queue, *positions.begin(), *at + 1);
          positions.erase(positions.begin(), std::next(at));
        } else {
          store->settle(queue, *at);
          positions.erase(at);
        }
      }
      store->commit();
      while (below(4) != 0 && (store->work_log() || store->work_segments())) {
      }
    }
  }
  // Opened once more: the header of the new file says that all before it is durable, as any later start would.
  auto store = open(disk, random);
  for (QueueId queue = 1; queue <= queues; ++queue) {
    store->recover(
        queue, [](const MessageStore::Loaded&) {}, [](const MessageStore::Page&) {});
  }
  store->recovered_all();
  store->commit();
  while (store->work_log() || store->work_segments()) {
  }
}

std::map<std::string, std::string> files_of(Vfs& disk) {
  std::map<std::string, std::string> files;
  for (const char* sub : {"", "/log", "/segments", "/quarantine", "/delays"}) {
    const auto names = list_if_there(disk, shard + sub);
    REQUIRE(names);
    for (const std::string& name : *names) {
      const std::string path = shard + sub + "/" + name;
      auto file = disk.open(path, OpenMode::read);
      REQUIRE(file);
      std::string bytes(*(*file)->size(), '\0');
      REQUIRE((*file)->read_at(0, bytes.data(), bytes.size()) == bytes.size());
      files[path] = std::move(bytes);
    }
  }
  return files;
}

void put_files(Vfs& disk, const std::map<std::string, std::string>& files) {
  for (const char* sub : {"", "/log", "/segments"}) REQUIRE(disk.make_folder(shard + sub));
  for (const auto& [path, bytes] : files) {
    if (path.find("quarantine") != std::string::npos) continue;
    auto file = disk.open(path, OpenMode::create);
    REQUIRE(file);
    REQUIRE((*file)->write_at(0, bytes));
    REQUIRE((*file)->sync());
    REQUIRE(disk.sync_folder(folder_of(path)));
  }
}

Kept kept_in(Vfs& disk, const std::set<std::uint64_t>& lost) {
  StoreContents contents(disk, shard);
  REQUIRE(contents.read_segments());
  REQUIRE(read_log(disk, contents.log_folder(), [&](const LogRecord& record) {
    if (!lost.contains(record.lsn)) contents.replay(record);
  }));
  REQUIRE(!contents.unknown_record());
  Kept kept;
  for (const auto& [queue, of] : contents.queues()) {
    for (const KeptPage& page : of->pages) {
      REQUIRE(contents.read_page(
          queue, *of, page,
          [&, id = queue](SegmentEntry&& entry) {
            kept[{id, entry.at}] = {std::string(entry.message->body()), entry.delivery_count};
          },
          [](const SegmentDamage&) {}));
    }
    of->unretired.each([&, id = queue](const UnretiredMessage& each) {
      kept[{id, each.at}] = {std::string(each.message->body()), each.delivery_count};
    });
  }
  return kept;
}

}  // namespace wherry::broker::test
