// What a client is told of the deliveries of a message that came back, in headers:
//
//   x-delivery-count   how many there were: what RabbitMQ's quorum queues tell
//   x-lost-count       how many of the last in a row were lost (docs/queues.md): for consumers that ask for it
//
// They are put on what a client is sent, never on what is kept; a header of that name that was published is hidden.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace wherry::broker {

struct ToldCounts {
  std::optional<std::uint32_t> returned = {};
  std::optional<std::uint32_t> lost = {};

  bool any() const { return returned || lost; }
};

std::string with_counts(std::string_view raw_properties, const ToldCounts& counts);

}  // namespace wherry::broker
