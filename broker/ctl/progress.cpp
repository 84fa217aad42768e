#include "broker/ctl/progress.h"

#include <algorithm>
#include <cstdio>

#include <fmt/format.h>
#include <unistd.h>

namespace wherry::broker {

namespace {

constexpr std::size_t kBarColumns = 30;
constexpr std::chrono::milliseconds kShowEvery{100};

}  // namespace

std::string size_text(std::uint64_t bytes) {
  if (bytes < 1024) return fmt::format("{} byte{}", bytes, bytes == 1 ? "" : "s");
  double value = static_cast<double>(bytes) / 1024;
  const char* unit = "KiB";
  for (const char* next : {"MiB", "GiB", "TiB"}) {
    if (value < 1024) break;
    value /= 1024;
    unit = next;
  }
  return fmt::format("{:.1f} {}", value, unit);
}

Progress::Progress(std::string what, std::uint64_t total, std::string unit)
    : what_(std::move(what)), total_(total), unit_(std::move(unit)), on_(::isatty(STDERR_FILENO) == 1) {}

Progress::~Progress() {
  if (on_) std::fputs("\r\x1b[K", stderr);
}

void Progress::add(std::uint64_t more) {
  done_ += more;
  if (!on_) return;
  const auto now = std::chrono::steady_clock::now();
  if (now - shown_ < kShowEvery) return;
  shown_ = now;
  std::fprintf(stderr, "\r\x1b[K%s", bar(what_, done_, total_, unit_).c_str());
  std::fflush(stderr);
}

std::string Progress::bar(const std::string& what, std::uint64_t done, std::uint64_t total, const std::string& unit) {
  const double part = total == 0 ? 1 : std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
  const auto full = static_cast<std::size_t>(part * kBarColumns);
  std::string bar(full, '=');
  if (full < kBarColumns) bar += '>';
  bar.resize(kBarColumns, ' ');
  return fmt::format("{} [{}] {:3.0f} %  {}", what, bar, part * 100,
                     unit.empty() ? size_text(done) : fmt::format("{} {}", done, unit));
}

}  // namespace wherry::broker
