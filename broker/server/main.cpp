#include <cstdio>

#include "broker/server/effective.h"
#include "broker/server/program.h"

int main(int argc, char** argv) {
  auto options = wherry::broker::parse_options(argc, argv);
  if (!options) {
    std::fprintf(stderr, "wherry-broker: %s\n", options.error().message.c_str());
    return 2;
  }
  if (!options->answer.empty()) {
    std::fputs(options->answer.c_str(), stdout);
    return 0;
  }
  if (options->print_effective) {
    auto text = wherry::broker::effective_settings(*options);
    if (!text) {
      std::fprintf(stderr, "wherry-broker: %s\n", text.error().message.c_str());
      return 2;
    }
    std::fputs(text->c_str(), stdout);
    return 0;
  }
  return wherry::broker::run_program(*options);
}
