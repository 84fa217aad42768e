#include "tests/sim/broker_run.h"

#include <algorithm>
#include <array>
#include <random>
#include <set>
#include <stdexcept>

#include <fmt/format.h>

namespace wherry::broker::sim {

namespace {

using test::Client;
using test::Received;
using test::World;

constexpr int kConnections = 3;
constexpr std::uint16_t kChannels = 2;

// Where a message is in its queue's order: the highest priority first, then as they came.
using Place = std::pair<int, std::uint64_t>;

struct Held {
  int queue = 0;
  Place place;
};

struct ModelMessage {
  std::string body;
  bool delivered = false;  // Once before: it comes with redelivered set.
};

struct ModelQueue {
  std::string name;
  int levels = 1;            // x-max-priority + 1.
  int dead_letters_to = -1;  // Where rejected messages go.
  std::uint64_t next = 1;    // Place of the next message.
  std::map<Place, ModelMessage> messages;
  std::set<Place> ready;
};

struct ModelConsumer {
  int queue = 0;
  bool no_ack = false;
  std::uint32_t unsettled = 0;
};

struct ModelChannel {
  std::uint32_t prefetch = 0;
  std::uint64_t last_tag = 0;
  std::map<std::string, ModelConsumer> consumers;
  struct Unsettled {
    Held held;
    std::string consumer;  // Empty after basic.get.
  };
  std::map<std::uint64_t, Unsettled> unsettled;  // By delivery tag.
};

struct Connected {
  Client* client = nullptr;
  std::uint64_t published = 0;
  std::map<std::uint16_t, ModelChannel> channels;
};

class BrokerRun {
 public:
  BrokerRun(World& world, std::uint64_t seed, bool verbose) : world_(world), random_(seed), verbose_(verbose) {
    control_ = &world_.connect();
    const std::string prefix = fmt::format("s{}.", seed);
    for (int i = 0; i < 4; ++i) queues_.emplace_back().name = prefix + std::to_string(i);
    queues_[1].levels = 4;
    queues_[2].dead_letters_to = 3;
    for (Connected& each : connections_) connect(each);
    // By different connections, so that with several shards the queues have different homes.
    for (int i = 0; i < 4; ++i) declare(*connections_[static_cast<std::size_t>(i) % kConnections].client, i);
  }

  BrokerCounts operator()() {
    const int operations = 20 + below(60);
    for (int i = 0; i < operations; ++i) {
      operation();
      settle();
      ++counts_.operations;
    }
    empty_all();
    return counts_;
  }

 private:
  int below(int limit) { return static_cast<int>(random_() % static_cast<std::uint64_t>(limit)); }
  template <class... Values>
  void say(fmt::format_string<Values...> text, Values&&... values) {
    if (verbose_) fmt::print(stderr, "{}\n", fmt::format(text, std::forward<Values>(values)...));
  }
  [[noreturn]] void fail(const std::string& what) {
    throw std::runtime_error(fmt::format("operation {}: {}", counts_.operations, what));
  }
  ModelQueue& queue(int number) { return queues_[static_cast<std::size_t>(number)]; }

  // --- connections and channels --------------------------------------------------------------------------------------
  void connect(Connected& each) {
    each.client = &world_.connect();
    each.published = 0;
    each.channels.clear();
    each.client->open(2);
    if (!world_.until([&] { return each.client->answers["channel.open-ok"] == kChannels; })) fail("no channel");
    for (std::uint16_t number = 1; number <= kChannels; ++number) each.channels[number];
    world_.call(*each.client, 1, amqp::ConfirmSelect{}, "confirm.select-ok");
  }

  void declare(Client& by, int number) {
    amqp::Table arguments;
    if (queue(number).levels > 1) arguments.set("x-max-priority", std::int32_t{queue(number).levels - 1});
    if (const int to = queue(number).dead_letters_to; to >= 0) {
      arguments.set("x-dead-letter-exchange", "");
      arguments.set("x-dead-letter-routing-key", queue(to).name);
    }
    world_.declare(by, queue(number).name, std::move(arguments));
  }

  // What a channel had goes back, all of it before anybody else gets any.
  void leave(ModelChannel& channel) {
    for (const auto& [tag, unsettled] : channel.unsettled) come_back(unsettled.held);
    channel = {};
  }

  void come_back(const Held& held) {
    ModelQueue& its = queue(held.queue);
    // Its queue may have been deleted since.
    if (its.messages.contains(held.place)) its.ready.insert(held.place);
  }

  // --- operations ----------------------------------------------------------------------------------------------------
  void operation() {
    Connected& on = connections_[static_cast<std::size_t>(below(kConnections))];
    const auto channel = static_cast<std::uint16_t>(1 + below(kChannels));
    const int what = below(100);
    if (verbose_) fmt::print(stderr, "{}.{} ", &on - connections_.data(), channel);
    if (what < 30) {
      publish(on);
    } else if (what < 42) {
      get(on, channel);
    } else if (what < 52) {
      consume(on, channel);
    } else if (what < 56) {
      cancel(on, channel);
    } else if (what < 62) {
      qos(on, channel);
    } else if (what < 88) {
      answer(on, channel);
    } else if (what < 91) {
      recover(on, channel);
    } else if (what < 94) {
      reopen(on, channel);
    } else if (what < 97) {
      vanish(on);
    } else if (what < 99) {
      purge(on);
    } else {
      remove();
    }
  }

  void publish(Connected& on) {
    const int to = below(4);
    const int count = 1 + below(5);
    say("publish {} to {}", count, to);
    for (int i = 0; i < count; ++i) {
      const int priority = below(6);
      amqp::Properties properties;
      properties.priority = static_cast<std::uint8_t>(priority);
      const std::string body = std::to_string(++last_body_);
      on.client->publish(1, "", queue(to).name, body, false, properties);
      ++on.published;
      enter(to, std::min(priority, queue(to).levels - 1), body);
      deliver(to);
    }
    if (!world_.until([&] { return on.client->confirmed >= on.published; })) fail("publishes are not confirmed");
    if (on.client->confirmed != on.published || on.client->nacked != 0) fail("publishes are confirmed otherwise");
  }

  void enter(int to, int level, const std::string& body) {
    const Place place{-level, queue(to).next++};
    queue(to).messages[place] = {body, false};
    queue(to).ready.insert(place);
  }

  void get(Connected& on, std::uint16_t number) {
    const int from = below(4);
    const bool no_ack = below(2) == 0;
    say("get from {}{}", from, no_ack ? ", no ack" : "");
    const std::size_t got = on.client->got.size();
    const unsigned empty = on.client->got_empty;
    on.client->send(number, amqp::BasicGet{.queue = queue(from).name, .no_ack = no_ack});
    const auto answered = [&] { return on.client->got.size() > got || on.client->got_empty > empty; };
    if (!world_.until(answered)) fail("no answer to get");
    ModelChannel& channel = on.channels[number];
    if (on.client->got.size() == got) {
      if (!queue(from).ready.empty()) fail(fmt::format("queue {} says that it is empty", from));
      return;
    }
    if (queue(from).ready.empty()) fail(fmt::format("queue {} gave what it does not have", from));
    const Place place = *queue(from).ready.begin();
    check(on.client->got.back(), queue(from).messages[place], channel);
    take(channel, from, place, no_ack, "");
  }

  void take(ModelChannel& channel, int from, Place place, bool no_ack, const std::string& consumer) {
    queue(from).ready.erase(place);
    if (no_ack) {
      queue(from).messages.erase(place);
      return;
    }
    queue(from).messages[place].delivered = true;
    channel.unsettled[channel.last_tag] = {{from, place}, consumer};
  }

  void check(const Received& received, const ModelMessage& expected, ModelChannel& channel) {
    if (received.body != expected.body) fail(fmt::format("message {} came, {} was due", received.body, expected.body));
    if (received.redelivered != expected.delivered) {
      fail(fmt::format("message {} came with redelivered {}", received.body, received.redelivered));
    }
    if (received.tag != ++channel.last_tag) fail(fmt::format("tag {}, not {}", received.tag, channel.last_tag));
  }

  void consume(Connected& on, std::uint16_t number) {
    ModelChannel& channel = on.channels[number];
    if (channel.consumers.size() == 3) return;
    const int from = below(4);
    const bool no_ack = below(4) == 0;
    const std::string tag = fmt::format("c{}", ++last_consumer_);
    say("consume {} from {} as {}{}", number, from, tag, no_ack ? ", no ack" : "");
    channel.consumers[tag] = {from, no_ack, 0};
    world_.consume(*on.client, number, queue(from).name, tag, no_ack);
    deliver(from);
  }

  void cancel(Connected& on, std::uint16_t number) {
    ModelChannel& channel = on.channels[number];
    if (channel.consumers.empty()) return;
    auto one = std::next(channel.consumers.begin(), below(static_cast<int>(channel.consumers.size())));
    say("cancel {}", one->first);
    world_.call(*on.client, number, amqp::BasicCancel{.consumer_tag = one->first}, "basic.cancel-ok");
    channel.consumers.erase(one);
  }

  void qos(Connected& on, std::uint16_t number) {
    const auto count = static_cast<std::uint16_t>(below(5));
    say("prefetch {} on a channel with {} consumers", count, on.channels[number].consumers.size());
    world_.call(*on.client, number, amqp::BasicQos{.prefetch_count = count}, "basic.qos-ok");
    on.channels[number].prefetch = count;
    for (int i = 0; i < 4; ++i) deliver(i);
  }

  // Acknowledges, requeues or rejects one or several.
  void answer(Connected& on, std::uint16_t number) {
    ModelChannel& channel = on.channels[number];
    if (channel.unsettled.empty()) return;
    const auto one = std::next(channel.unsettled.begin(), below(static_cast<int>(channel.unsettled.size())));
    const bool multiple = below(3) == 0;
    const int how = below(5);  // 0 to 2 ack, 3 requeue, 4 reject.
    say("answer {} to tag {}{}", how, one->first, multiple ? " and before" : "");
    if (how < 3) {
      on.client->send(number, amqp::BasicAck{one->first, multiple});
    } else {
      on.client->send(number, amqp::BasicNack{one->first, multiple, how == 3});
    }
    const auto end = std::next(one);
    std::vector<ModelChannel::Unsettled> settled;
    for (auto each = multiple ? channel.unsettled.begin() : one; each != end;) {
      settled.push_back(each->second);
      each = channel.unsettled.erase(each);
    }
    std::set<int> touched;
    for (const ModelChannel::Unsettled& each : settled) {
      ModelQueue& its = queue(each.held.queue);
      touched.insert(each.held.queue);
      if (auto found = channel.consumers.find(each.consumer); found != channel.consumers.end()) {
        --found->second.unsettled;
      }
      if (how == 3) {
        come_back(each.held);
      } else if (auto message = its.messages.find(each.held.place); message != its.messages.end()) {
        const std::string body = message->second.body;
        its.messages.erase(message);
        if (how == 4 && its.dead_letters_to >= 0) dead_letters_.push_back(body);
      }
    }
    for (int each : touched) deliver(each);
    // Dead letters are routed when the queue's turn is over.
    for (const std::string& body : std::exchange(dead_letters_, {})) {
      enter(3, 0, body);
      deliver(3);
    }
  }

  void recover(Connected& on, std::uint16_t number) {
    ModelChannel& channel = on.channels[number];
    say("recover {} messages", channel.unsettled.size());
    world_.call(*on.client, number, amqp::BasicRecover{.requeue = true}, "basic.recover-ok");
    for (const auto& [tag, unsettled] : channel.unsettled) come_back(unsettled.held);
    channel.unsettled.clear();
    for (auto& [tag, consumer] : channel.consumers) consumer.unsettled = 0;
    for (int i = 0; i < 4; ++i) deliver(i);
  }

  void reopen(Connected& on, std::uint16_t number) {
    if (number == 1) return;  // Publishes.
    say("close a channel with {} consumers and {} messages", on.channels[number].consumers.size(),
        on.channels[number].unsettled.size());
    leave(on.channels[number]);
    for (int i = 0; i < 4; ++i) deliver(i);
    const unsigned opened = on.client->answers["channel.open-ok"];
    on.client->close(number);
    if (!world_.until([&] { return on.client->closed.contains(number); })) fail("the channel does not close");
    on.client->closed.erase(number);
    on.client->open(number);
    if (!world_.until([&] { return on.client->answers["channel.open-ok"] > opened; })) fail("no channel again");
  }

  void vanish(Connected& on) {
    say("a connection vanishes");
    on.client->drop();
    world_.forget(*on.client);
    for (auto& [number, channel] : on.channels) leave(channel);
    connect(on);
    for (int i = 0; i < 4; ++i) deliver(i);
  }

  void purge(Connected& on) {
    const int which = below(4);
    say("purge {}", which);
    world_.call(*on.client, 1, amqp::QueuePurge{.queue = queue(which).name}, "queue.purge-ok");
    if (on.client->last_count != queue(which).ready.size()) {
      fail(fmt::format("{} purged of {}", on.client->last_count, queue(which).ready.size()));
    }
    for (const Place& place : queue(which).ready) queue(which).messages.erase(place);
    queue(which).ready.clear();
  }

  void remove() {
    const int which = below(4);
    say("delete {}", which);
    world_.call(*control_, 1, amqp::QueueDelete{.queue = queue(which).name}, "queue.delete-ok");
    if (control_->last_count != queue(which).ready.size()) {
      fail(fmt::format("{} deleted of {}", control_->last_count, queue(which).ready.size()));
    }
    for (Connected& each : connections_) {
      std::size_t cancelled = 0;
      for (auto& [number, channel] : each.channels) {
        cancelled += std::erase_if(channel.consumers, [&](const auto& entry) { return entry.second.queue == which; });
      }
      if (!world_.until([&] { return each.client->cancelled.size() >= cancelled; })) fail("no cancel");
      if (each.client->cancelled.size() != cancelled) fail("a cancel too many");
      each.client->cancelled.clear();
    }
    queue(which).messages.clear();
    queue(which).ready.clear();
    declare(*control_, which);
  }

  // --- what follows --------------------------------------------------------------------------------------------------
  // The first messages of the queue become due, as many as its consumers have room for.
  void deliver(int number) {
    ModelQueue& from = queue(number);
    std::uint64_t room = 0;
    for (Connected& each : connections_) {
      for (auto& [at, channel] : each.channels) {
        for (auto& [tag, consumer] : channel.consumers) {
          if (consumer.queue != number) continue;
          if (consumer.no_ack || channel.prefetch == 0) {
            room = UINT64_MAX;
          } else if (room != UINT64_MAX && channel.prefetch > consumer.unsettled) {
            room += channel.prefetch - consumer.unsettled;
          }
        }
      }
    }
    const std::uint64_t promised = static_cast<std::uint64_t>(
        std::count_if(due_.begin(), due_.end(), [&](const auto& each) { return each.second.queue == number; }));
    for (std::uint64_t left = room == UINT64_MAX ? room : room - std::min(room, promised);
         left > 0 && !from.ready.empty(); --left) {
      const Place place = *from.ready.begin();
      due_[from.messages[place].body] = {number, place};
      from.ready.erase(from.ready.begin());
    }
  }

  // Waits until what is due has come, and nothing else.
  void settle() {
    const auto come = [&] {
      for (const Connected& each : connections_) {
        for (const auto& [channel, code] : each.client->closed) fail(fmt::format("a channel was closed with {}", code));
      }
      std::size_t count = 0;
      for (const Connected& each : connections_) count += each.client->deliveries.size();
      return count >= due_.size();
    };
    if (!world_.until(come)) fail(fmt::format("{} messages were due, not all came", due_.size()));
    for (Connected& each : connections_) {
      for (const Received& received : each.client->deliveries) arrived(each, received);
      each.client->deliveries.clear();
      if (each.client->over) fail("a connection was closed");
    }
    if (!due_.empty()) fail(fmt::format("message {} did not come", due_.begin()->first));
    for (int i = 0; i < 4; ++i) check_ready(i);
  }

  void arrived(Connected& each, const Received& received) {
    ++counts_.deliveries;
    auto due = due_.find(received.body);
    if (due == due_.end()) fail(fmt::format("message {} came and was not due", received.body));
    const Held held = due->second;
    due_.erase(due);
    ModelChannel& channel = each.channels[received.channel];
    auto consumer = channel.consumers.find(received.consumer);
    if (consumer == channel.consumers.end() || consumer->second.queue != held.queue) {
      fail(fmt::format("message {} came to consumer '{}'", received.body, received.consumer));
    }
    check(received, queue(held.queue).messages[held.place], channel);
    const bool no_ack = consumer->second.no_ack;
    take(channel, held.queue, held.place, no_ack, received.consumer);
    if (!no_ack && ++consumer->second.unsettled > channel.prefetch && channel.prefetch > 0) {
      fail(fmt::format("consumer '{}' has more than its prefetch of {}", received.consumer, channel.prefetch));
    }
  }

  void check_ready(int number) {
    std::uint32_t ready = 0;
    const std::size_t expected = queue(number).ready.size();
    const auto right = [&] { return (ready = world_.ready(*control_, queue(number).name)) == expected; };
    // Another connection's last acknowledgement may be on its way.
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!right()) {
      if (std::chrono::steady_clock::now() > end) {
        fail(fmt::format("queue {} has {} ready, not {}", number, ready, expected));
      }
    }
  }

  void empty_all() {
    // Nobody is to get what another gives back.
    for (Connected& each : connections_) {
      for (auto& [number, channel] : each.channels) {
        while (!channel.consumers.empty()) cancel(each, number);
      }
    }
    for (Connected& each : connections_) {
      for (auto& [number, channel] : each.channels) leave(channel);
      each.client->close();
      if (!world_.until([&] { return each.client->over; })) fail("a connection does not close");
      world_.forget(*each.client);
    }
    for (int i = 0; i < 4; ++i) {
      check_ready(i);
      for (const Place& place : queue(i).ready) {
        const std::size_t got = control_->got.size();
        control_->send(1, amqp::BasicGet{.queue = queue(i).name, .no_ack = true});
        if (!world_.until([&] { return control_->got.size() > got; })) fail("no answer to get");
        check(control_->got.back(), queue(i).messages[place], control_channel_);
      }
      world_.call(*control_, 1, amqp::QueueDelete{.queue = queue(i).name}, "queue.delete-ok");
    }
    control_->close();
    if (!world_.until([&] { return control_->over; })) fail("a connection does not close");
    world_.forget(*control_);
  }

  World& world_;
  std::mt19937_64 random_;
  const bool verbose_;
  BrokerCounts counts_;
  Client* control_ = nullptr;
  ModelChannel control_channel_;
  std::vector<ModelQueue> queues_;
  std::array<Connected, kConnections> connections_;
  std::map<std::string, Held> due_;  // By body.
  std::vector<std::string> dead_letters_;
  std::uint64_t last_body_ = 0;
  int last_consumer_ = 0;
};

}  // namespace

BrokerCounts run_broker(World& world, std::uint64_t seed, bool verbose) {
  return BrokerRun(world, seed, verbose)();
}

}  // namespace wherry::broker::sim
