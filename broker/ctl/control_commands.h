// wherryctl's commands for a running broker: the names, arguments and tables of rabbitmqctl's, over the control socket.
//
//   words = command_first({argv + 1, argv + argc});
//   if (is_control_command(words[0])) return run_control_command(words);
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

// What is said to all commands may stand before the command, as rabbitmqctl takes it ("-q -p / list_queues"): those
// words go to the end. As they are where the first word is no such option, or nothing follows.
std::vector<std::string> command_first(std::vector<std::string> words);

// words: the command's name, then its arguments.
int run_control_command(const std::vector<std::string>& words);

}  // namespace wherry::broker::ctl
