// What wherryctl does: runs the command, prints to standard output, and gives the exit status.
//
//   return ctl::run(options);
//
// Exit status: 0 all is well, 1 damage was found, 3 something cannot be read. Errors go to standard error. Threads:
// one.
#pragma once

#include "broker/ctl/options.h"

namespace wherry::broker::ctl {

constexpr int kFine = 0;
constexpr int kDamaged = 1;
constexpr int kUsage = 2;
constexpr int kUnreadable = 3;

int run(const Options& options);

}  // namespace wherry::broker::ctl
