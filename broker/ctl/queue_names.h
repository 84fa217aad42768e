// QueueNames: what the definitions call the queues that the store knows by number.
//
// Threads: plain data. A queue that the definitions do not know is named by its number.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "broker/queueing/message_store.h"

namespace wherry::broker {

class QueueNames {
 public:
  struct Name {
    std::string vhost;
    std::string queue;
  };
  void add(QueueId id, Name name) { names_[id] = std::move(name); }
  const Name* find(QueueId id) const;
  // The id of the only queue of that name; "VHOST/NAME" where one name is in several, "#7" for a number.
  std::optional<QueueId> id_of(const std::string& text) const;
  // "queue 'jobs' in '/'", or "queue #7".
  std::string text(QueueId id) const;
  // "jobs", or "#7".
  std::string brief(QueueId id) const;

 private:
  std::map<QueueId, Name> names_;
};

}  // namespace wherry::broker
