#include <cstdio>
#include <string>
#include <vector>

#include "broker/ctl/commands.h"
#include "broker/ctl/config_commands.h"
#include "broker/ctl/control_commands.h"
#include "broker/ctl/dead_letters.h"
#include "broker/ctl/top.h"

int main(int argc, char** argv) {
  namespace ctl = wherry::broker::ctl;
  const std::vector<std::string> words = ctl::command_first({argv + 1, argv + argc});
  const std::string command = words.empty() ? std::string() : words[0];
  for (const std::string& word : words) {
    // These read what lies on a disk, and no broker does it for them.
    const bool elsewhere = word == "--url" || word.starts_with("--url=");
    if (!elsewhere || (command != "store" && command != "config")) continue;
    std::fprintf(stderr,
                 "wherryctl %s: it reads files of this machine: --url is for the commands of a running broker; "
                 "run it where the files are\n",
                 command.c_str());
    return ctl::kUsage;
  }
  if (ctl::is_control_command(command)) return ctl::run_control_command(words);
  const std::vector<std::string> rest(words.begin() + (words.empty() ? 0 : 1), words.end());
  if (command == "dead-letters") return ctl::run_dead_letters(rest);
  if (command == "top") return ctl::run_top(rest);
  if (command == "config") return ctl::run_config_command(rest);
  std::vector<const char*> all{argv[0]};
  for (const std::string& word : words) all.push_back(word.c_str());
  const auto options = ctl::parse_options(static_cast<int>(all.size()), all.data());
  if (!options) {
    std::fprintf(stderr, "wherryctl: %s\n", options.error().message.c_str());
    return ctl::kUsage;
  }
  if (!options->answer.empty()) {
    std::fputs(options->answer.c_str(), stdout);
    return ctl::kFine;
  }
  return ctl::run(*options);
}
