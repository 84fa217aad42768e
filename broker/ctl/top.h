// wherryctl top: queues, tasks and connections of a running broker, looked at again every second.
//
//   run_top({argv + 2, argv + argc})       // the words behind "top"; the exit status of control_commands.h
//
// On a terminal it draws until q is typed (d, r and n sort by depth, rate and name); elsewhere, and with --once, it
// prints one frame. A broker that does not answer meanwhile is said in the first line, and asked again. Threads: one.
#pragma once

#include <string>
#include <vector>

namespace wherry::broker::ctl {

int run_top(const std::vector<std::string>& words);

}  // namespace wherry::broker::ctl
