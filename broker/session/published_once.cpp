#include "broker/session/published_once.h"

#include <utility>

namespace wherry::broker {

bool PublishedOnce::begin(const std::shared_ptr<SharedDeduplication>& known, const Message& message) {
  begun_ = {};
  auto key = deduplication_key(message.properties());
  if (!key) return true;
  if (!known->begin(*key, message.published_ms())) return false;
  begun_ = {known, std::move(*key)};
  return true;
}

void PublishedOnce::undo() {
  if (begun_.known) begun_.known->undo(begun_.key);
  begun_ = {};
}

void PublishedOnce::settle(std::uint64_t tag, unsigned far) {
  if (begun_.known && far > 0 && tag != 0) {
    begun_.far = far;
    undecided_.emplace(tag, std::move(begun_));
  }
  begun_ = {};
}

void PublishedOnce::answered(std::uint64_t tag, bool accepted) {
  const auto found = undecided_.find(tag);
  if (found == undecided_.end()) return;
  Key& key = found->second;
  if (!accepted) key.known->undo(key.key);
  if (!accepted || --key.far == 0) undecided_.erase(found);
}

}  // namespace wherry::broker
