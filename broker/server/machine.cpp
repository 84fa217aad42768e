#include "broker/server/machine.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <fstream>
#include <limits>

#include <fmt/format.h>
#include <malloc.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

namespace wherry::broker {

namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t no_limit = std::numeric_limits<std::uint64_t>::max();

std::uint64_t page_bytes() {
  return static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

// A file with one number in it; "max" and what is missing are no limit.
std::uint64_t limit_in(const fs::path& file) {
  std::ifstream in(file);
  std::uint64_t value = 0;
  return in >> value ? value : no_limit;
}

// The least limit from a group up to the root of its hierarchy.
std::uint64_t least_limit(const fs::path& mount, fs::path group, const char* file) {
  std::uint64_t least = no_limit;
  for (group = group.relative_path();; group = group.parent_path()) {
    least = std::min(least, limit_in(mount / group / file));
    if (group.empty()) return least;
  }
}

std::uint64_t group_limit(const fs::path& root) {
  std::uint64_t least = no_limit;
  std::ifstream groups(root / "proc/self/cgroup");
  // "0::/path" in version 2, "4:memory:/path" in version 1.
  for (std::string line; std::getline(groups, line);) {
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    if (first == line.npos || second == line.npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const fs::path group = line.substr(second + 1);
    if (controllers.empty()) {
      least = std::min(least, least_limit(root / "sys/fs/cgroup", group, "memory.max"));
    } else if (("," + controllers + ",").find(",memory,") != std::string::npos) {
      least = std::min(least, least_limit(root / "sys/fs/cgroup/memory", group, "memory.limit_in_bytes"));
    }
  }
  return least;
}

std::uint64_t installed(const fs::path& root) {
  std::ifstream in(root / "proc/meminfo");
  std::string word;
  std::uint64_t kib = 0;
  return in >> word >> kib && word == "MemTotal:" ? kib * 1024 : no_limit;
}

}  // namespace

std::uint64_t memory_there_is(const fs::path& root) {
  const std::uint64_t least = std::min(installed(root), group_limit(root));
  if (least != no_limit) return least;
  return static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) * page_bytes();
}

std::uint64_t resident_bytes() {
  std::FILE* file = std::fopen("/proc/self/statm", "re");
  if (file == nullptr) return 0;
  unsigned long long all = 0;
  unsigned long long resident = 0;
  const int read = std::fscanf(file, "%llu %llu", &all, &resident);
  std::fclose(file);
  return read == 2 ? resident * page_bytes() : 0;
}

std::optional<std::uint64_t> disk_free_bytes(const fs::path& path) {
  struct statvfs disk {};
  if (::statvfs(path.c_str(), &disk) != 0) return std::nullopt;
  return static_cast<std::uint64_t>(disk.f_bavail) * disk.f_frsize;
}

bool give_back_memory(std::uint64_t resident) {
#ifdef __GLIBC__
  const struct mallinfo2 info = ::mallinfo2();
  const std::uint64_t used = info.uordblks + info.hblkhd;
  if (used > resident - resident / 4) return false;
  ::malloc_trim(0);
  return true;
#else
  static_cast<void>(resident);
  return false;
#endif
}

std::uint64_t most_connections() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 900;
  const std::uint64_t files = limit.rlim_cur;
  return std::max<std::uint64_t>(files > 200 ? (files - 100) * 9 / 10 : files / 2, 1);
}

std::string host_name() {
  char name[256] = {};
  return ::gethostname(name, sizeof name - 1) == 0 && name[0] != '\0' ? name : "localhost";
}

std::string size_text(std::uint64_t bytes) {
  constexpr const char* units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 1024 && unit + 1 < std::size(units)) {
    value /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, units[unit]);
}

}  // namespace wherry::broker
