// Home: a queue on the shard it lives on, and the environment it asks for time and a way out. For this room's sources.
#pragma once

#include "broker/shard/shard.h"

namespace wherry::broker {

struct Shard::Home final : QueueEnvironment {
  Home(Shard& its_shard, SharedVhostRef its_vhost, const QueueEntryRef& its_entry)
      : shard(its_shard), vhost(std::move(its_vhost)), entry(its_entry), queue(its_entry, *its_shard.store_, *this) {}

  std::uint64_t now() const override { return shard.now_ms(); }
  void dead_letter(DeadLetter letter) override { shard.dead_letters_.push_back(std::move(letter)); }
  void wake_at(std::uint64_t time_ms) override;
  void held() override { shard.set_delay_timer(); }
  bool memory_short() const override { return shard.memory_short_; }
  std::uint64_t consumer_timeout_ms() const override { return shard.shared_.config().consumer_timeout_ms; }
  void timed_out(std::string_view consumer_tag, std::size_t deliveries) override;
  Durability durability() const override { return shard.shared_.config().durability; }

  Shard& shard;
  const SharedVhostRef vhost;
  const QueueEntryRef entry;
  std::unique_ptr<net::WallTimer> timer;  // Made when the queue first asks for it.
  Queue queue;
};

}  // namespace wherry::broker
