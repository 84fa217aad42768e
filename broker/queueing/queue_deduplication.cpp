// A queue that accepts a message once: which keys it knows, and what of them a restart is told.
#include "broker/queueing/queue_impl.h"

namespace wherry::broker {

Queue::Accepted Queue::Impl::publish_once(MessageRef message) {
  const std::optional<std::string> key = deduplication_key(message->properties());
  if (!key) return publish(std::move(message));
  const std::uint64_t now = environment.now();
  if (const Deduplication::Known* before = known->find(*key, now)) {
    ++stats.duplicates;
    return {.accepted = true, .durable_at = before->durable_at};
  }
  const bool kept = entry->spec.durable && message->persistent();
  const Position at = slots.end();
  const std::uint64_t held_before = stats.held;
  Accepted outcome = publish(std::move(message));
  // Refused, it may come again.
  if (!outcome.accepted) return outcome;
  const bool waits = stats.held != held_before;
  const bool here = slots.find(at) != nullptr;
  // Somebody took it, or it had no time to live.
  if (!known->rule().window && !waits && !here) return outcome;
  Deduplication::Known one{
      .key = *key, .at = here ? at : no_position, .since_ms = now, .durable_at = outcome.durable_at};
  if (kept) {
    note(one);
    // Where the message itself does not say its key after a restart, the record of the key is what was promised.
    if (!waits && !here && durability != Durability::none) outcome.durable_at = one.durable_at = one.noted;
  }
  known->remember(std::move(one));
  return outcome;
}

void Queue::Impl::set_deduplication() {
  if (!limits.deduplication) {
    known.reset();
  } else if (!known) {
    known = std::make_unique<Deduplication>(*limits.deduplication);
  } else if (known->rule() != *limits.deduplication) {
    known->set_rule(*limits.deduplication, environment.now());
  }
}

void Queue::Impl::note(Deduplication::Known& one) {
  std::string entry_bytes;
  Deduplication::encode(entry_bytes, one);
  one.noted = store.note(entry->id, entry_bytes, durability);
}

void Queue::Impl::forget_known(const std::string& key) {
  const auto before = known->forget(key);
  if (!before || before->noted == 0) return;
  std::string forgotten;
  Deduplication::encode_forgotten(forgotten, key);
  store.note(entry->id, forgotten, durability);
}

void Queue::Impl::placed(const std::string& key, Position at) {
  if (known->rule().window) return;
  const Slot* slot = slots.find(at);
  if (slot == nullptr) return forget_known(key);
  auto one = known->forget(key);
  if (!one) return;
  one->at = at;
  if (slot->stored) note(*one);
  known->remember(std::move(*one));
}

// The notes, and what the messages in memory say: the last note before a crash may be missing where its message is not.
void Queue::Impl::recover_known(std::vector<Deduplication::Known> in_memory,
                                const std::function<bool(Position at)>& in_queue) {
  store.recover_notes(entry->id, [&](Lsn lsn, std::string_view text) { known->replay(lsn, text); });
  for (Deduplication::Known& one : in_memory) {
    const Deduplication::Known* before = known->find(one.key, 0);
    if (before != nullptr && (before->at == one.at || known->rule().window)) continue;
    note(one);
    known->remember(std::move(one));
  }
  known->replayed(environment.now());
  // Of those that are held there is no position.
  known->retain([&](Position at) { return at == no_position || in_queue(at); }, [](const Deduplication::Known&) {});
}

}  // namespace wherry::broker
