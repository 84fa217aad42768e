#include "worker/metrics/process.h"

#include <ctime>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include <sys/resource.h>
#include <unistd.h>

namespace wherry::metrics {

namespace {

// Seconds since 1970; 0 when it cannot be read.
double start_time() {
  std::ifstream file("/proc/self/stat");
  std::string line;
  std::getline(file, line);
  // The name stands in brackets and may hold anything; 19 more fields come before the one that is wanted.
  std::istringstream rest(line.substr(std::min(line.rfind(')') + 1, line.size())));
  std::string skipped;
  for (int field = 0; field < 19; ++field) rest >> skipped;
  double ticks = 0;
  if (!(rest >> ticks)) return 0;
  timespec since_boot{}, now{};
  ::clock_gettime(CLOCK_BOOTTIME, &since_boot);
  ::clock_gettime(CLOCK_REALTIME, &now);
  const double boot =
      static_cast<double>(now.tv_sec - since_boot.tv_sec) + static_cast<double>(now.tv_nsec - since_boot.tv_nsec) / 1e9;
  return boot + ticks / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

double open_files() {
  double count = 0;
  std::error_code failed;
  for (std::filesystem::directory_iterator each("/proc/self/fd", failed), end; !failed && each != end;
       each.increment(failed)) {
    ++count;
  }
  return count;
}

}  // namespace

void write_process(Exposition& text) {
  static const double started = start_time();
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  double pages_all = 0, pages_resident = 0;
  std::ifstream("/proc/self/statm") >> pages_all >> pages_resident;
  const auto page = static_cast<double>(::sysconf(_SC_PAGESIZE));

  text.counter("process_cpu_seconds", "Processor time, user and system, in seconds.");
  text.sample({}, seconds(used.ru_utime) + seconds(used.ru_stime));
  text.gauge("process_resident_memory_bytes", "Memory that it holds.");
  text.sample({}, pages_resident * page);
  text.gauge("process_virtual_memory_bytes", "Memory that it has mapped.");
  text.sample({}, pages_all * page);
  text.gauge("process_open_fds", "Open files.");
  text.sample({}, open_files());
  text.gauge("process_max_fds", "Files that it may open.");
  text.sample({}, static_cast<double>(files.rlim_cur));
  text.gauge("process_start_time_seconds", "When it began, in seconds since 1970.");
  text.sample({}, started);
}

}  // namespace wherry::metrics
