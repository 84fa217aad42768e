// wherryctl dead-letters: lists, shows, replays and discards what lies in a dead-letter queue of a running broker, over
// the control socket.
//
//   if (std::string_view(argv[1]) == "dead-letters") return run_dead_letters({argv + 2, argv + argc});
//
// A replay of many goes in portions, with a bar between them on a terminal; interrupted, it has done what it had done.
// Exit status: 0 done; 1 some of those that were named are not there, or could not be replayed; 64 wrong command line;
// 69 the broker refused it or there is none. Threads: one.
#pragma once

#include <string>
#include <vector>

namespace wherry::broker::ctl {

constexpr int kSomeLeft = 1;

// words: list, show, replay or discard, then its arguments.
int run_dead_letters(const std::vector<std::string>& words);

}  // namespace wherry::broker::ctl
