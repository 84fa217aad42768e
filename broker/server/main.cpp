#include <cstdio>

#include "broker/server/server.h"

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
  return wherry::broker::run_server(*options);
}
