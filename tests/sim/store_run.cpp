#include "tests/sim/store_run.h"

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <stdexcept>
#include <vector>

#include <fmt/format.h>

#include "broker/queueing/queue.h"
#include "broker/store/disk_store.h"
#include "broker/store/power_loss_vfs.h"
#include "tests/unit/broker/queueing/bench.h"

namespace wherry::broker::sim {
namespace {

constexpr Lsn never = ~Lsn{0};

// One message in one queue.
struct Entry {
  std::uint64_t number = 0;  // In the order of publishing.
  int priority = 0;
  bool persistent = false;
  Lsn lsn = never;          // Durable from there on.
  bool settled = false;     // We settled it.
  Lsn settled_by = never;   // When this record is durable, it must not come back.
  std::uint32_t count = 0;  // Deliveries that came back.
  Lsn counted_by = never;   // When this record is durable, the count is, too.
};

struct Shelf {
  QueueId id = 0;
  int levels = 1;
  std::uint32_t delivery_limit = 0;
  bool fair = false;  // To the tenants of numbers: tenant_of().
  QueueEntryRef entry;
  std::unique_ptr<Queue> queue;
  std::map<std::uint64_t, Entry> all;             // By number.
  std::map<std::uint64_t, Entry> ever;            // Also those that are gone for good.
  std::map<Position, std::uint64_t> unacked;      // What we hold: number by position.
  std::set<std::pair<int, std::uint64_t>> ready;  // -priority, number.
};

class Run {
 public:
  explicit Run(const RunOptions& options)
      : random_(options.seed), verbose_(options.verbose), disk_(std::make_unique<PowerLossVfs>(options.seed)) {}

  RunCounts go() {
    make_shelves();
    open();
    const unsigned lives = 1 + below(4);
    for (unsigned life = 0; life < lives; ++life) {
      live();
      die();
    }
    drain();
    return counts_;
  }

 private:
  unsigned below(std::size_t n) { return static_cast<unsigned>(random_() % n); }
  bool chance(unsigned percent) { return below(100) < percent; }
  [[noreturn]] void wrong(const std::string& what) { throw std::runtime_error(what); }
  template <class... Args>
  void say(fmt::format_string<Args...> text, Args&&... args) {
    if (verbose_) fmt::print(stderr, "{}\n", fmt::format(text, std::forward<Args>(args)...));
  }

  void make_shelves() {
    const unsigned count = 1 + below(5);
    for (unsigned n = 0; n < count; ++n) {
      Shelf shelf;
      shelf.id = 100 + n;
      amqp::Table arguments;
      if (below(4) == 0) {
        shelf.levels = 4;
        arguments.set("x-max-priority", std::int64_t{3});
      } else if (below(4) == 0) {
        shelf.delivery_limit = 2;
        arguments.set("x-delivery-limit", std::int64_t{2});
      } else if (below(3) == 0) {
        shelf.fair = true;
        arguments.set("x-fair-key", "tenant");
      }
      shelf.entry = test::entry(arguments, true, fmt::format("q{}", n));
      shelf.entry->id = shelf.id;
      shelves_.push_back(std::move(shelf));
    }
  }

  // --- a life --------------------------------------------------------------------------------------------------------

  void open() {
    DiskStore::Options options;
    options.folder = "shard-0";
    options.log_file_bytes = 16384;
    options.log_budget_bytes = 16384 * (1 + below(4));
    options.memory_budget_bytes = 4096 * (1 + below(8));
    options.dead_bytes_allowed = 4096 * (1 + below(4));
    options.spare_files = below(3);
    options.threads = false;
    options.random = [this] { return random_(); };
    DiskStore::Owner owner;
    owner.post = [](std::function<void()> work) { work(); };
    owner.failed = [this](const DiskError& error) {
      say("failed: {}", error.message);
      failed_ = true;
    };
    auto store = DiskStore::open(*disk_, options, owner);
    if (!store) wrong("does not open: " + store.error().message);
    store_ = std::move(*store);
    store_->on_kept([this](QueueId id, std::uint64_t chunk, ChunkBits which, bool spilled) {
      for (Shelf& shelf : shelves_) {
        if (shelf.id == id && shelf.queue) shelf.queue->on_kept(chunk, which, spilled);
      }
    });
    failed_ = false;
    for (Shelf& shelf : shelves_) {
      shelf.queue = std::make_unique<Queue>(shelf.entry, *store_, environment_);
      const std::uint32_t found = shelf.queue->recover();
      if (found != shelf.ready.size() && !damage_allowed()) {
        std::string all;
        if (verbose_) {
          Delivery next;
          for (std::uint32_t left = 0; shelf.queue->get(false, next, left);) {
            all += fmt::format(" {}:{}{}", next.position, number_of(*next.message),
                               shelf.all.contains(number_of(*next.message)) ? "" : "!");
          }
        }
        wrong(fmt::format("queue {} has {} messages, not {}:{}", shelf.id, found, shelf.ready.size(), all));
      }
      counts_.recovered += found;
    }
    store_->recovered_all();
  }

  void live() {
    const unsigned steps = 20 + below(600);
    if (chance(70)) disk_->fail_from(below(400) + 1);
    for (unsigned step = 0; step < steps && !failed_; ++step) {
      act(shelves_[below(shelves_.size())]);
      // Dead letters are routed somewhere else within the turn.
      for (DeadLetter& letter : environment_.letters) dead_lettered(letter);
      environment_.letters.clear();
      if (chance(30)) turn();
      if (chance(25)) write_log();
      if (chance(15)) store_->work_segments();
    }
  }
  void write_log() {
    store_->work_log();
    // Only a publish makes it sync.
    const auto synced = publishes_.upper_bound(store_->durable());
    if (synced == publishes_.begin()) return;
    publishes_.erase(publishes_.begin(), synced);
    durable_before_ = std::exchange(synced_, store_->durable());
  }
  void turn() {
    store_->commit();
    ++turn_;
    // What was settled before the commit has records before whatever is appended from now on.
    for (Shelf& shelf : shelves_) {
      for (auto& [number, entry] : shelf.all) {
        if (entry.settled && entry.settled_by == never) waiting_.push_back(&entry.settled_by);
        if (entry.count > 0 && entry.counted_by == never) waiting_.push_back(&entry.counted_by);
      }
    }
  }

  void act(Shelf& shelf) {
    const unsigned what = below(100);
    if (what < 45) return publish();
    if (what < 70) return get(shelf, false);
    if (what < 74) return get(shelf, true);
    if (what < 86) return settle(shelf);
    if (what < 96) return requeue(shelf);
    if (what < 97) return purge(shelf);
    if (what < 98) return shelf.queue->page_out();
    for (unsigned n = 0; n < 200 && !failed_; ++n) publish();
  }

  void publish() {
    const bool persistent = chance(85);
    const int priority = static_cast<int>(below(4));
    std::size_t size = below(120);
    if (chance(3)) size = 4000 + below(12000);
    const std::uint64_t number = next_number_++;
    const std::string body = fmt::format("{}:{}", number, std::string(size, 'x'));
    const test::Sent how{.priority = static_cast<std::uint8_t>(priority),
                         .expiration = {},
                         .persistent = persistent,
                         .tenant = amqp::FieldValue(tenant_of(number))};
    const MessageRef message = test::message(body, how, environment_.now_ms);
    ++counts_.published;
    const unsigned queues = chance(15) ? 1 + below(shelves_.size()) : 1;
    const unsigned first = below(shelves_.size());
    for (unsigned n = 0; n < queues; ++n) {
      Shelf& shelf = shelves_[(first + n) % shelves_.size()];
      const auto accepted = shelf.queue->publish(message);
      Entry entry{.number = number, .priority = priority, .persistent = persistent};
      if (persistent) entry.lsn = accepted.durable_at;
      shelf.all.emplace(number, entry);
      entry.count = 1000;  // Whatever it was when it was settled.
      shelf.ever.emplace(number, entry);
      shelf.ready.emplace(-std::min(priority, shelf.levels - 1), number);
      if (accepted.durable_at == 0) continue;
      publishes_.insert(accepted.durable_at);
      // The first record since the turn in which they were settled.
      for (Lsn* barrier : waiting_) *barrier = accepted.durable_at;
      waiting_.clear();
    }
  }

  void get(Shelf& shelf, bool no_ack) {
    Delivery delivery;
    std::uint32_t remaining = 0;
    const bool got = shelf.queue->get(no_ack, delivery, remaining);
    if (got == shelf.ready.empty()) {
      if (damage_allowed()) return reconcile(shelf);
      if (!failed_) wrong(fmt::format("queue {} {} a message", shelf.id, got ? "has" : "lacks"));
      return;
    }
    if (!got) return;
    const std::uint64_t number = number_of(*delivery.message);
    auto expected = first_ready(shelf, number);
    if (expected == shelf.ready.end() || number != expected->second) {
      if (!damage_allowed()) {
        wrong(fmt::format("queue {} gave {} and not {}", shelf.id, number,
                          expected == shelf.ready.end() ? "another tenant's" : std::to_string(expected->second)));
      }
      // Those before it were damaged.
      for (; expected != shelf.ready.end() && expected->second != number; expected = first_ready(shelf, number)) {
        forget(shelf, expected->second);
      }
      if (expected == shelf.ready.end()) {
        wrong(fmt::format("queue {} gave {}, which it cannot have", shelf.id, number));
      }
    }
    Entry& entry = shelf.all.at(number);
    if (entry.count != delivery.delivery_count) {
      wrong(fmt::format("queue {}: {} came with count {} and not {}", shelf.id, number, delivery.delivery_count,
                        entry.count));
    }
    shelf.ready.erase(expected);
    if (no_ack) {
      entry.settled = true;
    } else {
      shelf.unacked[delivery.position] = number;
    }
  }

  static std::int32_t tenant_of(std::uint64_t number) { return static_cast<std::int32_t>(number % 5 % 3); }
  // What must leave before the others that take the same turn as `number`.
  static std::set<std::pair<int, std::uint64_t>>::iterator first_ready(Shelf& shelf, std::uint64_t number) {
    auto first = shelf.ready.begin();
    while (shelf.fair && first != shelf.ready.end() && tenant_of(first->second) != tenant_of(number)) ++first;
    return first;
  }
  test::DeliveryIds some_unacked(Shelf& shelf) {
    test::DeliveryIds some;
    for (const auto& [at, number] : shelf.unacked) {
      if (chance(50)) some.push_back({at, shelf.all.at(number).count});
    }
    if (chance(30)) std::shuffle(some.begin(), some.end(), random_);
    return some;
  }
  void settle(Shelf& shelf) {
    const test::DeliveryIds some = some_unacked(shelf);
    for (const auto& [at, count] : some) {
      shelf.all.at(shelf.unacked.at(at)).settled = true;
      shelf.unacked.erase(at);
    }
    if (chance(80)) {
      shelf.queue->ack(nullptr, some);
    } else {
      shelf.queue->discard(nullptr, some);
    }
  }
  void requeue(Shelf& shelf) {
    const test::DeliveryIds some = some_unacked(shelf);
    for (const auto& [at, count] : some) {
      Entry& entry = shelf.all.at(shelf.unacked.at(at));
      shelf.unacked.erase(at);
      ++entry.count;
      say("queue {}: {} at {} comes back, {}", shelf.id, entry.number, at, entry.count);
      entry.counted_by = never;
      std::erase(waiting_, &entry.counted_by);
      if (shelf.delivery_limit > 0 && entry.count > shelf.delivery_limit) {
        entry.settled = true;
      } else {
        shelf.ready.emplace(-std::min(entry.priority, shelf.levels - 1), entry.number);
      }
    }
    shelf.queue->requeue(nullptr, some);
  }
  void purge(Shelf& shelf) {
    const std::uint32_t purged = shelf.queue->purge();
    if (purged != shelf.ready.size() && !damage_allowed()) {
      wrong(fmt::format("queue {} was purged of {} and not {}", shelf.id, purged, shelf.ready.size()));
    }
    for (const auto& [level, number] : shelf.ready) shelf.all.at(number).settled = true;
    shelf.ready.clear();
  }
  void dead_lettered(const DeadLetter&) {}

  static std::uint64_t number_of(const Message& message) { return std::stoull(std::string(message.body())); }
  bool damage_allowed() const { return damaged_before_ || store_->damaged() > 0; }
  void forget(Shelf& shelf, std::uint64_t number) {
    const Entry& entry = shelf.all.at(number);
    std::erase(waiting_, &entry.settled_by);
    std::erase(waiting_, &entry.counted_by);
    shelf.ready.erase({-std::min(entry.priority, shelf.levels - 1), number});
    shelf.all.erase(number);
  }
  void reconcile(Shelf& shelf) {
    while (!shelf.ready.empty()) forget(shelf, shelf.ready.begin()->second);
  }

  // --- a crash -------------------------------------------------------------------------------------------------------

  void die() {
    const Lsn durable = store_->durable();
    counts_.moved += store_->stats().segments;
    std::unique_ptr<PowerLossVfs> after = disk_->crash();
    for (Shelf& shelf : shelves_) {
      shelf.queue.reset();
      shelf.unacked.clear();
      shelf.ready.clear();
    }
    waiting_.clear();
    // A store that is destroyed writes to the disk that is gone.
    store_.reset();
    disk_ = std::move(after);
    ++counts_.crashes;
    const bool flipped = chance(15) && flip();
    say("power cut at durable {}{}", durable, flipped ? ", a bit flipped" : "");
    // That the last sync was one is written in the batch behind it: a bit that is flipped in what it covered, in the
    // moment of the power cut, looks like what a power cut leaves.
    look(durable, flipped ? durable_before_ : durable, flipped);
    durable_before_ = synced_ = 0;
    publishes_.clear();
    open();
  }

  bool flip() {
    std::vector<std::string> files;
    for (const char* folder : {"shard-0/log", "shard-0/segments"}) {
      auto names = disk_->list(folder);
      if (!names) continue;
      for (const std::string& name : *names) {
        if (!name.ends_with(".spare") && !name.ends_with(".tmp")) files.push_back(std::string(folder) + "/" + name);
      }
    }
    if (files.empty()) return false;
    const std::string& file = files[below(files.size())];
    auto opened = disk_->open(file, OpenMode::read);
    const std::uint64_t size = *(*opened)->size();
    if (size == 0) return false;
    const std::uint64_t at = disk_->flip_bit(file, 0, size);
    say("flipped a bit of byte {} of {}", at, file);
    return true;
  }

  // What a store finds on a copy of the disk, held against the ledger; the ledger is what was found from then on.
  void look(Lsn durable, Lsn promised, bool flipped) {
    DiskStore::Options options;
    options.folder = "shard-0";
    options.log_file_bytes = 16384;
    options.threads = false;
    options.random = [this] { return random_(); };
    bool failed = false;
    DiskStore::Owner owner;
    owner.post = [](std::function<void()> work) { work(); };
    owner.failed = [&](const DiskError&) { failed = true; };
    auto store = DiskStore::open(*disk_, options, owner);
    if (!store) {
      // One bit can make a header look newer; it is refused, and nothing is written.
      if (flipped && store.error().code == std::errc::not_supported)
        return wrong("a flipped bit looked like a version");
      wrong("does not open after the power cut: " + store.error().message);
    }
    say("look: durable {} promised {} found {} damaged {}", durable, promised, (*store)->durable(),
        (*store)->damaged());
    for (Shelf& shelf : shelves_) look(**store, shelf, durable, promised, flipped);
    counts_.damaged += (*store)->damaged();
    if ((*store)->damaged() > 0 && !flipped && !damaged_before_) wrong("damage was reported where there is none");
    damaged_before_ = damaged_before_ || flipped;
  }

  void look(DiskStore& store, Shelf& shelf, Lsn durable, Lsn promised, bool flipped) {
    struct Found {
      std::uint64_t number;
      std::uint32_t count;
    };
    std::map<Position, Found> found;
    Position told = no_position;
    const auto take = [&](const MessageStore::Loaded& loaded) {
      if (!found.emplace(loaded.at, Found{number_of(*loaded.message), loaded.delivery_count}).second) {
        wrong(fmt::format("queue {} has position {} twice", shelf.id, loaded.at));
      }
    };
    const auto take_message = [&](const MessageStore::Loaded& loaded) {
      if (loaded.at <= told) wrong(fmt::format("queue {}: position {} came late", shelf.id, loaded.at));
      told = loaded.at;
      take(loaded);
    };
    store.recover(shelf.id, take_message, [&](const MessageStore::Page& page) {
      if (page.chunk * chunk_positions + page.live.first() <= told) {
        wrong(fmt::format("queue {}: chunk {} came late", shelf.id, page.chunk));
      }
      told = page.chunk * chunk_positions + page.live.last();
      ChunkBits rest = page.live;
      std::uint64_t bytes = 0;
      while (rest.any()) {
        const Position at = page.chunk * chunk_positions + rest.first();
        rest = rest - ChunkBits::of(rest.first());
        store.load(shelf.id, at, [&](const MessageStore::Loaded& loaded) {
          const ChunkBits bit = ChunkBits::of(static_cast<unsigned>(loaded.at % chunk_positions));
          if (loaded.at != at && !(rest & bit).any()) return;
          rest = rest - bit;
          bytes += loaded.message->body().size();
          take(loaded);
        });
      }
      if (bytes != page.body_bytes && store.damaged() == 0) {
        wrong(fmt::format("queue {}: a page of {} bytes was announced with {}", shelf.id, bytes, page.body_bytes));
      }
    });
    std::map<std::uint64_t, Entry> now;
    std::uint64_t last = 0;
    for (const auto& [at, each] : found) {
      auto known = shelf.all.find(each.number);
      const bool forgotten = known == shelf.all.end() && shelf.ever.contains(each.number);
      // Where the record that settled it is damaged, it comes back.
      if (forgotten && (damaged_before_ || flipped)) {
        known = shelf.all.emplace(each.number, shelf.ever.at(each.number)).first;
      } else if (known == shelf.all.end()) {
        wrong(
            fmt::format("queue {} has {}, which it {} had", shelf.id, each.number, forgotten ? "no longer" : "never"));
      }
      Entry entry = known->second;
      if (!entry.persistent) wrong(fmt::format("queue {} has {}, which was transient", shelf.id, each.number));
      if (each.number <= last && !now.empty()) {
        wrong(fmt::format("queue {} has {} behind {}", shelf.id, each.number, last));
      }
      last = each.number;
      if (entry.settled && entry.settled_by <= promised && store.damaged() == 0 && !damaged_before_) {
        wrong(fmt::format("queue {} has {}, which was settled for good (by {})", shelf.id, each.number,
                          entry.settled_by));
      }
      // Of one that was settled, not durably, the count was not kept.
      const bool counted = entry.counted_by <= promised && !entry.settled && !damaged_before_ && store.damaged() == 0;
      if (each.count > entry.count || (counted && each.count != entry.count)) {
        wrong(fmt::format("queue {}: {} came back {} times and the disk says {}", shelf.id, each.number, entry.count,
                          each.count));
      }
      entry.settled = false;
      entry.settled_by = never;
      entry.lsn = 0;
      entry.count = each.count;
      entry.counted_by = 0;
      shelf.ready.emplace(-std::min(entry.priority, shelf.levels - 1), entry.number);
      now.emplace(entry.number, entry);
    }
    for (const auto& [number, entry] : shelf.all) {
      if (!entry.persistent || entry.settled || now.contains(number)) continue;
      if (entry.lsn <= promised && store.damaged() == 0 && !damaged_before_) {
        wrong(fmt::format("queue {} has lost {}, which was confirmed (record {}, durable {})", shelf.id, number,
                          entry.lsn, durable));
      }
    }
    shelf.all = std::move(now);
  }

  void drain() {
    for (Shelf& shelf : shelves_) {
      while (!failed_ && !shelf.ready.empty()) get(shelf, true);
      if (shelf.queue->ready_count() != 0 && !damage_allowed())
        wrong(fmt::format("queue {} has more than it should", shelf.id));
    }
  }

  std::mt19937_64 random_;
  const bool verbose_;
  std::unique_ptr<PowerLossVfs> disk_;
  test::Environment environment_;
  std::unique_ptr<DiskStore> store_;
  std::vector<Shelf> shelves_;
  std::vector<Lsn*> waiting_;  // Barriers to be set to the next record.
  std::uint64_t next_number_ = 1;
  std::uint64_t turn_ = 0;
  std::set<Lsn> publishes_;  // Not durable yet.
  Lsn synced_ = 0;
  Lsn durable_before_ = 0;  // Of the sync before the last.
  bool failed_ = false;
  bool damaged_before_ = false;
  RunCounts counts_;
};

}  // namespace

RunCounts run(const RunOptions& options) {
  return Run(options).go();
}

}  // namespace wherry::broker::sim
