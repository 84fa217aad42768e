// wherryctl config: settings files, before anything is started with them.
//
//   if (argv[1] == "config") return run_config_command({argv + 2, argv + argc});
//
// Exit status: 0 no mistake (with --strict: nor a warning), 1 there is one, 2 wrong command line. Threads: one.
#pragma once

#include <string>
#include <vector>

namespace wherry::broker::ctl {

// words: what stands behind "config".
int run_config_command(const std::vector<std::string>& words);

}  // namespace wherry::broker::ctl
