// Random legal sequences of operations on a queue, against a model that is too simple to be wrong: a sorted list of
// what is ready, and what each consumer holds. The model does not foresee who gets a message; it checks that whoever
// got one could have, that it was the right message, and that after each step nobody waits for what is there.
#include <algorithm>
#include <map>
#include <random>
#include <set>

#include <catch2/catch.hpp>

#include "tests/unit/broker/queueing/bench.h"

using namespace wherry::broker;
using namespace wherry::broker::test;

namespace {

struct Kept {
  int priority = 0;
  std::uint32_t count = 0;
  bool redelivered = false;
  bool persistent = false;
};

struct Model {
  // Highest priority first, then by position.
  struct Next {
    const std::map<Position, Kept>* all;
    bool operator()(Position a, Position b) const {
      int x = all->at(a).priority, y = all->at(b).priority;
      return x != y ? x > y : a < b;
    }
  };
  std::map<Position, Kept> all;
  std::set<Position, Next> ready{Next{&all}};
};

struct Actor final : Consumer {
  Model* model = nullptr;
  std::vector<Actor>* others = nullptr;
  bool present = false;
  bool no_ack = false;
  bool parked = false;
  bool refuses = false;
  std::uint32_t prefetch = 0;
  int priority = 0;
  std::set<Position> holds;

  bool room() const { return present && !parked && (no_ack || prefetch == 0 || holds.size() < prefetch); }

  bool deliver(const Delivery& delivery) override {
    REQUIRE(room());
    for (const Actor& other : *others) REQUIRE((!other.room() || other.priority <= priority));
    REQUIRE_FALSE(model->ready.empty());
    REQUIRE(*model->ready.begin() == delivery.position);
    const Kept& message = model->all.at(delivery.position);
    REQUIRE(delivery.redelivered == message.redelivered);
    REQUIRE(delivery.delivery_count == message.count);
    REQUIRE(delivery.message->body() == std::to_string(delivery.position));
    if (refuses) {
      parked = true;
      return false;
    }
    model->ready.erase(model->ready.begin());
    if (no_ack) {
      model->all.erase(delivery.position);
    } else {
      holds.insert(delivery.position);
    }
    return true;
  }
  void on_queue_deleted() override { FAIL("nobody deletes it"); }
};

class Run {
 public:
  Run(std::mt19937& random, int levels)
      : random_(random),
        levels_(levels),
        actors_(4),
        bench_(levels > 0 ? table({{"x-max-priority", levels}}) : wherry::amqp::Table{}, true) {
    for (Actor& actor : actors_) {
      actor.model = &model_;
      actor.others = &actors_;
    }
  }

  void step() {
    switch (below(13)) {
      case 0:
      case 1:
      case 2:
        return publish();
      case 3:
        return consume();
      case 4:
        return cancel();
      case 5:
      case 6:
        return ack();
      case 7:
        return requeue();
      case 8:
        return discard();
      case 9:
        return give_back();
      case 10:
        return get();
      case 11:
        return resume_or_prefetch();
      default:
        if (below(8) == 0) purge();
    }
  }

  void check() {
    Queue& queue = bench_.queue;
    std::size_t unacked = loose_.size(), persistent = 0, consumers = 0;
    for (const Actor& actor : actors_) {
      unacked += actor.holds.size();
      consumers += actor.present;
      if (!model_.ready.empty()) REQUIRE_FALSE(actor.room());
    }
    for (const auto& [at, message] : model_.all) persistent += message.persistent;
    REQUIRE(queue.ready_count() == model_.ready.size());
    REQUIRE(queue.unacked_count() == unacked);
    REQUIRE(queue.consumer_count() == consumers);
    REQUIRE(bench_.store.kept(17) == persistent);
    REQUIRE(model_.all.size() == unacked + model_.ready.size());
    std::uint64_t ready_bytes = 0;
    for (Position at : model_.ready) ready_bytes += std::to_string(at).size();
    REQUIRE(queue.stats().ready_bytes == ready_bytes);
  }

  // What a restart would find: the persistent ones, in order, with their counts.
  void check_recovery() {
    std::vector<std::pair<Position, std::uint32_t>> expected, found;
    for (const auto& [at, message] : model_.all) {
      if (message.persistent) expected.emplace_back(at, message.count);
    }
    bench_.store.recover(
        17, [&](const MessageStore::Loaded& kept) { found.emplace_back(kept.at, kept.delivery_count); },
        [](const MessageStore::Page&) { FAIL("everything is in memory"); });
    REQUIRE(found == expected);
  }

 private:
  unsigned below(std::size_t n) { return static_cast<unsigned>(random_() % n); }
  Actor& any() { return actors_[below(actors_.size())]; }
  Positions some_of(std::set<Position>& from) {
    Positions chosen;
    for (Position at : from) {
      if (below(2) == 0) chosen.push_back(at);
    }
    std::shuffle(chosen.begin(), chosen.end(), random_);
    for (Position at : chosen) from.erase(at);
    return chosen;
  }
  // Some of what is out, and whose it is: nobody's after get or when its consumer left.
  std::pair<Actor*, Positions> some_out() {
    Actor& actor = any();
    if (below(3) == 0 || !actor.present) return {nullptr, some_of(loose_)};
    return {&actor, some_of(actor.holds)};
  }

  void publish() {
    Position at = next_++;
    Kept kept;
    kept.priority = levels_ > 0 ? static_cast<int>(below(static_cast<unsigned>(levels_) + 1)) : 0;
    kept.persistent = below(2) == 0;
    model_.all[at] = kept;
    model_.ready.insert(at);
    bench_.publish(std::to_string(at),
                   {.priority = static_cast<std::uint8_t>(kept.priority), .persistent = kept.persistent});
  }
  void consume() {
    Actor& actor = any();
    if (actor.present) return;
    actor.present = true;
    actor.parked = false;
    actor.refuses = below(4) == 0;
    actor.no_ack = below(5) == 0;
    actor.prefetch = below(4);
    actor.priority = static_cast<int>(below(2));
    bench_.consume(actor, actor.prefetch, actor.no_ack, actor.priority);
  }
  void cancel() {
    Actor& actor = any();
    if (!actor.present) return;
    actor.present = false;
    loose_.insert(actor.holds.begin(), actor.holds.end());
    actor.holds.clear();
    bool last = std::none_of(actors_.begin(), actors_.end(), [](const Actor& other) { return other.present; });
    REQUIRE(bench_.queue.remove_consumer(actor) == last);
  }
  void ack() {
    auto [actor, positions] = some_out();
    for (Position at : positions) model_.all.erase(at);
    bench_.ack(actor, positions);
  }
  void discard() {
    auto [actor, positions] = some_out();
    for (Position at : positions) model_.all.erase(at);
    bench_.discard(actor, positions);
  }
  void requeue() {
    auto [actor, positions] = some_out();
    for (Position at : positions) {
      Kept& message = model_.all.at(at);
      ++message.count;
      message.redelivered = true;
      model_.ready.insert(at);
    }
    bench_.requeue(actor, positions);
  }
  void give_back() {
    Actor& actor = any();
    if (!actor.present || actor.no_ack) return;
    Positions positions = some_of(actor.holds);
    if (positions.empty()) return;
    model_.ready.insert(positions.begin(), positions.end());
    actor.parked = true;
    bench_.give_back(actor, positions);
  }
  void get() {
    bool no_ack = below(2) == 0;
    Delivery delivery;
    std::uint32_t remaining = 0;
    bool got = bench_.queue.get(no_ack, delivery, remaining);
    REQUIRE(got == !model_.ready.empty());
    if (!got) return;
    REQUIRE(delivery.position == *model_.ready.begin());
    REQUIRE(delivery.delivery_count == model_.all.at(delivery.position).count);
    model_.ready.erase(model_.ready.begin());
    REQUIRE(remaining == model_.ready.size());
    if (no_ack) {
      model_.all.erase(delivery.position);
    } else {
      loose_.insert(delivery.position);
    }
  }
  void resume_or_prefetch() {
    Actor& actor = any();
    if (!actor.present) return;
    actor.refuses = below(4) == 0;
    if (below(2) == 0) {
      actor.parked = false;
      bench_.queue.resume(actor);
    } else {
      actor.prefetch = below(5);
      bench_.queue.set_prefetch(actor, actor.prefetch);
    }
  }
  void purge() {
    REQUIRE(bench_.queue.purge() == model_.ready.size());
    Positions gone(model_.ready.begin(), model_.ready.end());
    model_.ready.clear();
    for (Position at : gone) model_.all.erase(at);
  }

  std::mt19937& random_;
  int levels_;
  Model model_;
  std::vector<Actor> actors_;
  std::set<Position> loose_;
  Position next_ = 1;
  Bench bench_;
};

}  // namespace

TEST_CASE("a queue does what the obvious model does, whatever is done to it", "[model]") {
  std::uint32_t seed = std::random_device{}();
  INFO("seed " << seed);
  std::mt19937 random(seed);
  for (int sequence = 0; sequence < 3000; ++sequence) {
    CAPTURE(sequence);
    Run run(random, sequence % 3 == 0 ? 3 : 0);
    int steps = 20 + static_cast<int>(random() % 80);
    for (int i = 0; i < steps; ++i) {
      run.step();
      run.check();
    }
    run.check_recovery();
  }
}
