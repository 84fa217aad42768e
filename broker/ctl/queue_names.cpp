#include "broker/ctl/queue_names.h"

#include <charconv>

#include <fmt/format.h>

namespace wherry::broker {

const QueueNames::Name* QueueNames::find(QueueId id) const {
  const auto found = names_.find(id);
  return found == names_.end() ? nullptr : &found->second;
}

std::optional<QueueId> QueueNames::id_of(const std::string& text) const {
  if (text.starts_with("#")) {
    QueueId id = 0;
    const char* end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data() + 1, end, id);
    if (parsed.ec == std::errc{} && parsed.ptr == end) return id;
  }
  std::optional<QueueId> only;
  for (const auto& [id, name] : names_) {
    // The default virtual host's name is a slash.
    if (name.vhost + "/" + name.queue == text) return id;
    if (name.queue != text) continue;
    if (only) return std::nullopt;
    only = id;
  }
  return only;
}

std::string QueueNames::text(QueueId id) const {
  if (const Name* name = find(id)) return fmt::format("queue '{}' in '{}'", name->queue, name->vhost);
  return fmt::format("queue #{}", id);
}

std::string QueueNames::brief(QueueId id) const {
  const Name* name = find(id);
  return name != nullptr ? name->queue : fmt::format("#{}", id);
}

}  // namespace wherry::broker
