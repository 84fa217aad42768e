#include <cstdio>

#include <signal.h>
#include <sys/resource.h>

#include "perf/commands/commands.h"
#include "perf/interrupt.h"
#include "perf/options.h"

namespace {

using namespace wherry;
using namespace wherry::perf;

constexpr int failed = 1, refused = 2, stopped = 130;

// Thousands of connections need as many files; the limit can be raised up to the hard one without asking anybody.
void raise_file_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

Result<void> run(const Options& options) {
  switch (options.command) {
    case Command::backlog:
      return run_backlog(options);
    case Command::connections:
      return run_connections(options);
    case Command::declares:
      return run_declares(options);
    default:
      return run_messages(options);
  }
}

}  // namespace

int main(int argc, char** argv) {
  auto options = parse_options(argc, argv);
  if (!options) {
    std::fprintf(stderr, "wherry-perf: %s\n", options.error().message.c_str());
    return refused;
  }
  if (!options->answer.empty()) {
    std::fputs(options->answer.c_str(), stdout);
    return 0;
  }
  raise_file_limit();
  ::signal(SIGPIPE, SIG_IGN);
  catch_interrupts();
  const auto done = run(*options);
  if (!done && !interrupted()) {
    std::fprintf(stderr, "wherry-perf: %s\n", done.error().message.c_str());
    return failed;
  }
  return interrupted() ? stopped : 0;
}
