#include "perf/live.h"

#include <cstdio>

#include <sys/ioctl.h>
#include <unistd.h>

namespace wherry::perf {

namespace {

std::size_t columns() {
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 20) return 80;
  return size.ws_col;
}

}  // namespace

Live::Live(bool wanted) : on_(wanted && ::isatty(STDERR_FILENO) == 1) {}

void Live::show(const std::string& line) {
  if (!on_) return;
  std::fprintf(stderr, "\r\x1b[K%s", line.substr(0, columns() - 1).c_str());
  std::fflush(stderr);
  shown_ = true;
}

void Live::clear() {
  if (!shown_) return;
  std::fputs("\r\x1b[K", stderr);
  std::fflush(stderr);
  shown_ = false;
}

std::string with_commas(std::uint64_t number) {
  std::string digits = std::to_string(number);
  for (std::size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, ",");
  return digits;
}

}  // namespace wherry::perf
