#include "perf/process_stats.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>
#include <string>

#include <fmt/format.h>
#include <time.h>
#include <unistd.h>

#include "perf/clock.h"

namespace wherry::perf {

namespace {

double us_of(const timespec& time) {
  return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_nsec) / 1e3;
}

double tick_us() {
  return 1e6 / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

std::string read_file(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// /proc/PID/stat behind the name, which may hold spaces and brackets.
struct Stat {
  int parent = 0;
  double user_ticks = 0, system_ticks = 0, children_ticks = 0;
  int threads = 0;
};
std::optional<Stat> read_stat(int pid) {
  const std::string text = read_file(fmt::format("/proc/{}/stat", pid));
  const std::size_t end = text.rfind(')');
  if (end == std::string::npos) return std::nullopt;
  std::istringstream fields(text.substr(end + 1));
  Stat stat;
  std::string skipped;
  double children_user = 0, children_system = 0;
  fields >> skipped >> stat.parent;  // Fields 3 and 4 of proc(5).
  for (int i = 5; i <= 13; ++i) fields >> skipped;
  fields >> stat.user_ticks >> stat.system_ticks >> children_user >> children_system >> skipped >> skipped >>
      stat.threads;
  stat.children_ticks = children_user + children_system;
  return fields ? std::optional<Stat>(stat) : std::nullopt;
}

// "VmRSS:   123 kB" and "write_bytes: 123" alike; 0 when it is not there.
std::uint64_t number_behind(const std::string& text, const std::string& key) {
  std::size_t at = text.find("\n" + key);
  if (at == std::string::npos) return 0;
  return std::strtoull(text.c_str() + at + key.size() + 1, nullptr, 10);
}

}  // namespace

Result<ProcessWatch> ProcessWatch::of(std::vector<int> pids) {
  for (const int pid : pids) {
    if (!read_stat(pid)) return fail(fmt::format("--pid {}: there is no such process on this machine", pid));
  }
  ProcessWatch watch;
  watch.pids_ = std::move(pids);
  return watch;
}

std::vector<int> ProcessWatch::tree() const {
  std::map<int, int> parents;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", ignored)) {
    const int pid = std::atoi(entry.path().filename().c_str());
    if (pid <= 0) continue;
    if (const auto stat = read_stat(pid)) parents[pid] = stat->parent;
  }
  std::vector<int> found;
  for (const auto& [pid, parent] : parents) {
    for (int at = pid, hops = 0; at > 0 && hops < 64; ++hops) {
      if (std::find(pids_.begin(), pids_.end(), at) != pids_.end()) {
        found.push_back(pid);
        break;
      }
      const auto up = parents.find(at);
      at = up == parents.end() ? 0 : up->second;
    }
  }
  return found;
}

ProcessSample ProcessWatch::sample() const {
  ProcessSample sum;
  if (!watches()) return sum;
  for (const int pid : tree()) {
    const auto stat = read_stat(pid);
    if (!stat) continue;
    sum.valid = true;
    sum.user_us += stat->user_ticks * tick_us();
    sum.system_us += stat->system_ticks * tick_us();
    sum.threads += stat->threads;
    clockid_t clock{};
    timespec time{};
    if (::clock_getcpuclockid(pid, &clock) == 0 && ::clock_gettime(clock, &time) == 0) {
      sum.cpu_us += us_of(time);
    } else {
      sum.cpu_us += (stat->user_ticks + stat->system_ticks) * tick_us();
    }
    sum.cpu_us += stat->children_ticks * tick_us();
    const std::string status = read_file(fmt::format("/proc/{}/status", pid));
    sum.memory_kb += number_behind(status, "VmRSS:");
    sum.anonymous_kb += number_behind(status, "RssAnon:");
    sum.peak_kb += number_behind(status, "VmHWM:");
    sum.written_bytes += number_behind(read_file(fmt::format("/proc/{}/io", pid)), "write_bytes:");
  }
  return sum;
}

void ProcessWatch::reset_peak() const {
  if (!watches()) return;
  for (const int pid : tree()) std::ofstream(fmt::format("/proc/{}/clear_refs", pid)) << "5";
}

double Usage::written_mib() const {
  if (after.written_bytes < before.written_bytes) return 0;
  return static_cast<double>(after.written_bytes - before.written_bytes) / 1048576;
}

double Usage::kernel_share() const {
  const double user = after.user_us - before.user_us;
  const double system = after.system_us - before.system_us;
  return user + system > 0 ? system / (user + system) : 0;
}

Meter::Machine Meter::machine() {
  std::ifstream file("/proc/stat");
  std::string name;
  double user = 0, nice = 0, system = 0, idle = 0, waiting = 0, interrupts = 0, soft = 0, stolen = 0;
  file >> name >> user >> nice >> system >> idle >> waiting >> interrupts >> soft >> stolen;
  Machine now;
  now.busy_us = (user + nice + system + interrupts + soft) * tick_us();
  now.stolen_us = stolen * tick_us();
  now.total_us = now.busy_us + now.stolen_us + (idle + waiting) * tick_us();
  return now;
}

namespace {

double own_cpu_us() {
  timespec time{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return us_of(time);
}

}  // namespace

void Meter::start() {
  watch_.reset_peak();
  usage_.before = watch_.sample();
  machine_ = machine();
  own_us_ = own_cpu_us();
  began_ns_ = now_ns();
}

Usage Meter::stop() {
  usage_.wall_us = static_cast<double>(now_ns() - began_ns_) / 1e3;
  usage_.own_us = own_cpu_us() - own_us_;
  const Machine now = machine();
  usage_.after = watch_.sample();
  if (!usage_.after.valid) usage_.before.valid = false;
  const double watched = usage_.after.valid ? usage_.cpu_us() : 0;
  const double other = now.busy_us - machine_.busy_us - usage_.own_us - watched;
  usage_.other_cores = usage_.wall_us > 0 ? std::max(other, 0.0) / usage_.wall_us : 0;
  const double total = now.total_us - machine_.total_us;
  usage_.stolen_share = total > 0 ? (now.stolen_us - machine_.stolen_us) / total : 0;
  return usage_;
}

}  // namespace wherry::perf
