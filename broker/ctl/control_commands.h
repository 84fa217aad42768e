// wherryctl's commands for a running broker: the names, arguments and tables of rabbitmqctl's, over the control socket.
//
//   if (is_control_command(argv[1])) return run_control_command({argv + 1, argv + argc});
//
// Exit status, as rabbitmqctl's: 0 done, 64 wrong command line, 69 the broker refused it or there is none. Threads:
// one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace wherry::broker::ctl {

constexpr int kWrongCommandLine = 64;
constexpr int kRefused = 69;

bool is_control_command(std::string_view name);
std::vector<std::string> control_command_names();
// For the help: a line for each.
std::string control_command_list();

// words: the command's name, then its arguments.
int run_control_command(const std::vector<std::string>& words);

}  // namespace wherry::broker::ctl
