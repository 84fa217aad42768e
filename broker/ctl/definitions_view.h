// DefinitionsView: what the definitions of a data directory call the queues, and whether they are whole.
//
// Threads: one. Errors: a sentence, when there is something that cannot be looked at. Nothing in the directory is
// changed.
#pragma once

#include <filesystem>

#include "base/result.h"
#include "broker/ctl/finding.h"

namespace wherry::broker {

struct DefinitionsView {
  QueueNames names;
  std::uint64_t queues = 0;
  bool there = false;
  std::vector<Finding> findings;  // At most one.

  // "definitions of 12 queues", "no definitions"
  std::string text() const;
};
Result<DefinitionsView> view_definitions(const std::filesystem::path& data);

}  // namespace wherry::broker
