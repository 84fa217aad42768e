// A store's directory, made by random operations and then damaged: it opens, gives nothing that was never appended, and
// goes on from there. Without damage it gives exactly what was not settled.
#include <map>

#include "base/log.h"
#include "broker/store/disk_store.h"
#include "tests/fuzz/damage.h"

using namespace wherry;
using namespace wherry::broker;

namespace {

constexpr QueueId queues = 4;

struct Kept {
  std::string body;
  std::uint32_t delivery_count = 0;
  bool operator==(const Kept&) const = default;
};
using Found = std::map<Position, Kept>;

MessageRef message_of(QueueId queue, Position at) {
  const std::string body = fuzz::body_of(queue, at);
  auto message = Message::create({.exchange = "x", .routing_key = "k", .delivery_mode = 2, .body_size = body.size()});
  message->append_body(body);
  return message;
}

// A store without threads, and what it told its owner.
class Life {
 public:
  Life(Vfs& disk, std::uint64_t seed) : random_(seed) {
    DiskStore::Options options{.folder = "shard",
                               .log_file_bytes = 8192,
                               .log_budget_bytes = 16'384 + random_() % 4 * 8192,
                               .memory_budget_bytes = 4096 + random_() % 3 * 16'384,
                               .dead_bytes_allowed = 4096,
                               .threads = false,
                               .random = [this] { return random_(); }};
    DiskStore::Owner owner;
    owner.post = [this](std::function<void()> call) { posted_.push_back(std::move(call)); };
    owner.failed = [this](const DiskError&) { failed_ = true; };
    auto opened = DiskStore::open(disk, std::move(options), std::move(owner));
    if (opened) {
      store_ = std::move(*opened);
    } else {
      // Of a newer version, as far as one can tell. Nothing else about the bytes of a file is a reason.
      WHERRY_FUZZ_CHECK(opened.error().code == std::errc::not_supported);
    }
  }

  DiskStore* operator->() { return store_.get(); }
  bool refused() const { return !store_; }

  void settle_down() {
    bool something = true;
    while (something) {
      something = store_->work_log();
      something = store_->work_segments() || something;
      something = !posted_.empty() || something;
      run_posted();
    }
    WHERRY_FUZZ_CHECK(!failed_);
  }
  void work(std::uint64_t which) {
    if (which & 1) store_->work_log();
    if (which & 2) store_->work_segments();
    if (which & 4) run_posted();
    WHERRY_FUZZ_CHECK(!failed_);
  }

  // Everything that can be had of a queue.
  Found recover(QueueId queue, Position& next) {
    Found found;
    std::vector<MessageStore::Page> pages;
    const auto take = [&](const MessageStore::Loaded& loaded) {
      WHERRY_FUZZ_CHECK(loaded.message && loaded.message->body() == fuzz::body_of(queue, loaded.at));
      WHERRY_FUZZ_CHECK(found.insert({loaded.at, {std::string(loaded.message->body()), loaded.delivery_count}}).second);
    };
    Position last = no_position;
    next = store_->recover(
        queue,
        [&](const MessageStore::Loaded& loaded) {
          WHERRY_FUZZ_CHECK(last < loaded.at);
          last = loaded.at;
          take(loaded);
        },
        [&](const MessageStore::Page& page) {
          // Pages come before the messages, in order.
          WHERRY_FUZZ_CHECK(last < page.chunk * chunk_positions + page.live.first());
          last = page.chunk * chunk_positions + page.live.last();
          pages.push_back(page);
        });
    for (const MessageStore::Page& page : pages) {
      page.live.each([&](unsigned bit) {
        const Position at = page.chunk * chunk_positions + bit;
        if (!found.contains(at)) store_->load(queue, at, take);
      });
    }
    WHERRY_FUZZ_CHECK(found.empty() || found.rbegin()->first < next);
    return found;
  }

 private:
  void run_posted() {
    for (auto& call : std::exchange(posted_, {})) call();
  }

  std::mt19937_64 random_;
  std::vector<std::function<void()>> posted_;
  bool failed_ = false;
  std::unique_ptr<DiskStore> store_;
};

struct Model {
  std::map<QueueId, Found> alive;
  std::map<QueueId, Position> next;
};

// A while in the life of the store; everything is on the disk when it is over.
void live(Life& life, Model& model, std::mt19937_64& random) {
  for (auto steps = random() % 300; steps > 0; --steps) {
    const QueueId queue = 1 + random() % queues;
    Found& alive = model.alive[queue];
    Position& next = model.next[queue];
    const auto some = [&] {
      auto found = alive.begin();
      std::advance(found, static_cast<std::ptrdiff_t>(random() % std::min<std::size_t>(alive.size(), 20)));
      return found;
    };
    switch (random() % 8) {
      case 0:
      case 1:
      case 2:
        next += random() % 16 == 0 ? random() % 100 : 0;
        for (auto left = 1 + random() % 8; left > 0; --left, ++next) {
          life->append(queue, next, message_of(queue, next), Durability::sync);
          alive[next] = {fuzz::body_of(queue, next), 0};
        }
        break;
      case 3:
      case 4:
        for (auto left = 1 + random() % 6; left > 0 && !alive.empty(); --left) {
          const auto found = some();
          life->settle(queue, found->first);
          alive.erase(found);
        }
        break;
      case 5:
        if (!alive.empty()) {
          const auto found = some();
          life->attempted(queue, found->first, ++found->second.delivery_count);
        }
        break;
      case 6:
        if (random() % 8 == 0 && !alive.empty()) {
          const Position first = alive.begin()->first, end = std::min(next, first + random() % 200);
          life->settle_range(queue, first, end);
          alive.erase(alive.begin(), alive.lower_bound(end));
        }
        break;
      default:
        life->commit();
        life.work(random());
        break;
    }
  }
  life->commit();
  life.settle_down();
}

Model recover_all(Life& life) {
  Model model;
  for (QueueId queue = 1; queue <= queues; ++queue) {
    model.alive[queue] = life.recover(queue, model.next[queue]);
  }
  life->recovered_all();
  return model;
}

Model make_directory(Vfs& disk, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  Model model;
  for (QueueId queue = 1; queue <= queues; ++queue) {
    model.alive[queue];
    model.next[queue] = 1;
  }
  for (auto lives = 1 + random() % 3; lives > 0; --lives) {
    Life life(disk, random());
    WHERRY_FUZZ_CHECK(!life.refused());
    WHERRY_FUZZ_CHECK(recover_all(life).alive == model.alive);
    WHERRY_FUZZ_CHECK(life->damaged() == 0);
    live(life, model, random);
  }
  return model;
}

}  // namespace

std::string fuzz::make_input(std::uint64_t seed) {
  // Nothing here is a file of its own.
  std::string input = make_damage_input(seed, 100'000, [](std::uint64_t) { return std::string(8, '\0'); });
  input[0] = '\1';
  return input;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  log::set_level(log::Level::off);
  const fuzz::DamageInput input = fuzz::read_damage_input(fuzz::view(data, size));
  MemoryVfs disk;
  const Model before = make_directory(disk, input.seed);
  const bool changed = fuzz::damage_disk(disk, {"shard", "shard/log", "shard/segments"}, input.rest);

  std::mt19937_64 random(input.seed);
  Model model;
  {
    Life life(disk, random());
    if (life.refused()) return 0;
    model = recover_all(life);
    for (const auto& [queue, found] : model.alive) {
      if (!changed) WHERRY_FUZZ_CHECK(found == before.alive.at(queue));
    }
    live(life, model, random);
  }
  // Damage that was found once is found again, and takes no more with it.
  Life life(disk, random());
  WHERRY_FUZZ_CHECK(!life.refused());
  WHERRY_FUZZ_CHECK(recover_all(life).alive == model.alive);
  return 0;
}
