// What a vhost tells its journal: each durable change, whatever caused it, and nothing else.
#include <catch2/catch.hpp>

#include "broker/routing/topology_journal.h"

using namespace wherry;
using namespace wherry::broker;

namespace {

class Lines final : public TopologyJournal {
 public:
  std::uint64_t next_queue_id() override { return next_id_++; }
  std::uint64_t record(TopologyChange change) override {
    std::string line = change.added ? "+" : "-";
    if (const auto* exchange = std::get_if<ExchangeSpec>(&change.entity)) line += "exchange " + exchange->name;
    if (const auto* queue = std::get_if<QueueEntryRef>(&change.entity)) line += "queue " + (*queue)->spec.name;
    if (const auto* binding = std::get_if<BindingSpec>(&change.entity)) {
      line += "binding " + binding->source + ">" + binding->destination + " " + binding->routing_key;
    }
    if (const auto* setting = std::get_if<ParameterSpec>(&change.entity)) {
      line += setting->component + " " + setting->name + " " + amqp::to_string(*setting->value.find("definition"));
    }
    CHECK(change.vhost == "/");
    lines_.push_back(std::move(line));
    return ++number_;
  }
  std::vector<std::string> take() { return std::exchange(lines_, {}); }

 private:
  std::vector<std::string> lines_;
  std::uint64_t number_ = 0;
  std::uint64_t next_id_ = 41;
};

using Told = std::vector<std::string>;

struct World {
  World() { vhost.set_journal(journal); }
  QueueEntryRef queue(const std::string& name, bool durable, bool exclusive = false) {
    return vhost.declare_queue({name, durable, exclusive, false, {}}, 1, 0, false).value().queue;
  }
  void exchange(const std::string& name, bool durable, bool auto_delete = false) {
    REQUIRE(vhost.declare_exchange({name, "direct", durable, auto_delete, false, {}}, false));
  }
  void bind(const std::string& source, const std::string& destination, const std::string& key,
            DestinationKind kind = DestinationKind::queue) {
    REQUIRE(vhost.bind({source, kind, destination, key, {}}, 1));
  }

  Lines journal;
  Vhost vhost{"/"};
};

}  // namespace

TEST_CASE("journal: durable exchanges and queues are told once, others not at all") {
  World world;
  world.queue("durable", true);
  world.queue("durable", true);
  world.queue("transient", false);
  world.queue("exclusive", true, true);
  world.exchange("durable", true);
  world.exchange("durable", true);
  world.exchange("transient", false);
  CHECK(world.journal.take() == Told{"+queue durable", "+exchange durable"});
}

TEST_CASE("journal: a durable queue has the journal's id and number, another an id that no durable one can have") {
  World world;
  const auto durable = world.queue("durable", true);
  CHECK(durable->id == 41);
  CHECK(durable->recorded_at == 1);
  const auto transient = world.queue("transient", false);
  CHECK(transient->id >> 63 == 1);
  CHECK(transient->recorded_at == 0);
  CHECK(world.queue("exclusive", true, true)->id >> 63 == 1);
}

TEST_CASE("journal: a binding is durable when both its ends are") {
  World world;
  for (const char* name : {"durable", "transient"}) {
    world.queue(name, name[0] == 'd');
    world.exchange(name, name[0] == 'd');
  }
  world.journal.take();
  for (const char* source : {"durable", "transient"}) {
    for (const char* destination : {"durable", "transient"}) {
      world.bind(source, destination, "q");
      world.bind(source, destination, "e", DestinationKind::exchange);
    }
  }
  world.bind("durable", "durable", "q");
  world.bind("amq.direct", "durable", "q");
  CHECK(world.journal.take() ==
        Told{"+binding durable>durable q", "+binding durable>durable e", "+binding amq.direct>durable q"});
  REQUIRE(world.vhost.unbind({"durable", DestinationKind::queue, "durable", "q", {}}, 1));
  REQUIRE(world.vhost.unbind({"durable", DestinationKind::queue, "durable", "q", {}}, 1));
  REQUIRE(world.vhost.unbind({"transient", DestinationKind::queue, "durable", "q", {}}, 1));
  CHECK(world.journal.take() == Told{"-binding durable>durable q"});
}

TEST_CASE("journal: what goes takes its bindings along, and auto-delete exchanges that are left without any") {
  World world;
  world.exchange("outer", true);
  world.exchange("inner", true, true);
  const auto queue = world.queue("q", true);
  world.bind("outer", "inner", "o", DestinationKind::exchange);
  world.bind("inner", "q", "i");
  world.journal.take();
  SECTION("a queue") {
    world.vhost.remove_queue(queue);
    world.vhost.remove_queue(queue);
    CHECK(world.journal.take() == Told{"-binding inner>q i", "-binding outer>inner o", "-exchange inner", "-queue q"});
  }
  SECTION("an exchange") {
    REQUIRE(world.vhost.delete_exchange("inner", false));
    REQUIRE(world.vhost.delete_exchange("inner", false));
    CHECK(world.journal.take() == Told{"-binding inner>q i", "-binding outer>inner o", "-exchange inner"});
  }
}

TEST_CASE("journal: a restored queue is what it was, and is not told") {
  World world;
  const auto queue = world.vhost.restore_queue({"q", true, false, true, {}}, 7, 3).value();
  CHECK(queue->id == 7);
  CHECK(queue->home == 3);
  CHECK(queue->recorded_at == 0);
  CHECK(world.vhost.find_queue("q", 1).value() == queue);
  CHECK_FALSE(world.vhost.restore_queue({"q", true, false, true, {}}, 8, 3));
  CHECK(world.journal.take().empty());
  world.vhost.remove_queue(queue);
  CHECK(world.journal.take() == Told{"-queue q"});
}

TEST_CASE("journal: policies that are set are told, with what they replace; those of the configuration are not") {
  World world;
  amqp::Table definition;
  definition.set("max-length", 1);
  PolicySpec policy{"p", "", PolicyTarget::all, 0, definition};
  REQUIRE(world.vhost.set_policy(PolicyKind::plain, policy));
  policy.definition.set("max-length", 2);
  REQUIRE(world.vhost.set_policy(PolicyKind::plain, policy));
  REQUIRE(world.vhost.set_policy(PolicyKind::by_operator, policy));
  REQUIRE(world.vhost.clear_policy(PolicyKind::plain, "p"));
  CHECK_FALSE(world.vhost.clear_policy(PolicyKind::plain, "p"));
  world.vhost.configure_policies({{policy, "broker.yaml:1:1"}}, {});
  CHECK(world.journal.take() == Told{"+policy p {max-length: 1}", "-policy p {max-length: 1}",
                                     "+policy p {max-length: 2}", "+operator_policy p {max-length: 2}",
                                     "-policy p {max-length: 2}"});
}
