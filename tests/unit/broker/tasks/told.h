// Events as tests tell them: at so many seconds, by a worker.
#pragma once

#include <chrono>
#include <string>
#include <utility>

#include "broker/tasks/event.h"

namespace wherry::broker::tasks {

inline WallTime second(int at) {
  return WallTime(std::chrono::seconds(1'000'000 + at));
}

inline Event told(Kind kind, std::string id, int at, std::string host = "w@1") {
  Event event;
  event.kind = kind;
  event.host = std::move(host);
  event.at = second(at);
  event.arrived = second(at);
  event.id = std::move(id);
  return event;
}

inline Event told(Kind kind, std::string id, int at, std::string host, std::string name) {
  Event event = told(kind, std::move(id), at, std::move(host));
  event.name = std::move(name);
  return event;
}

}  // namespace wherry::broker::tasks
