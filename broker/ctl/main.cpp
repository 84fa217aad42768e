#include <cstdio>
#include <string_view>

#include "broker/ctl/commands.h"
#include "broker/ctl/config_commands.h"
#include "broker/ctl/control_commands.h"
#include "broker/ctl/dead_letters.h"
#include "broker/ctl/top.h"

int main(int argc, char** argv) {
  namespace ctl = wherry::broker::ctl;
  for (int at = 2; at < argc; ++at) {
    // These read what lies on a disk, and no broker does it for them.
    const std::string_view command = argv[1], word = argv[at];
    const bool elsewhere = word == "--url" || word.starts_with("--url=");
    if (!elsewhere || (command != "store" && command != "config")) continue;
    std::fprintf(stderr,
                 "wherryctl %s: it reads files of this machine: --url is for the commands of a running broker; "
                 "run it where the files are\n",
                 argv[1]);
    return ctl::kUsage;
  }
  if (argc > 1 && ctl::is_control_command(argv[1])) return ctl::run_control_command({argv + 1, argv + argc});
  if (argc > 1 && std::string_view(argv[1]) == "dead-letters") return ctl::run_dead_letters({argv + 2, argv + argc});
  if (argc > 1 && std::string_view(argv[1]) == "top") return ctl::run_top({argv + 2, argv + argc});
  if (argc > 1 && std::string_view(argv[1]) == "config") return ctl::run_config_command({argv + 2, argv + argc});
  const auto options = ctl::parse_options(argc, argv);
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
