// Prepared: a publication as it goes over the wire, with what the publisher keeps of it until it is reported. Made on
// the thread that has the message, so that the loop only sends it; then the publisher's alone.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "sdk/link/messages.h"

namespace wherry::sdk {

struct Prepared {
  Prepared(Publication message, Done when_reported);

  using Deadlines = std::multimap<Monotonic, Prepared*>;

  std::string exchange;
  std::string routing_key;
  std::string message_id;
  std::string raw_properties;
  std::string body;
  bool mandatory = true;
  Monotonic deadline;
  Done done;  // Empty once reported; the rest then only holds its tag's place.
  // The publisher's:
  bool reported = false;
  std::optional<Report> returned;
  bool nacked = false;      // On this channel: it goes out again on the next.
  bool was_nacked = false;  // What is said of it when its deadline passes.
  std::optional<Deadlines::iterator> waiting_until;
};
using PreparedRef = std::unique_ptr<Prepared>;

}  // namespace wherry::sdk
