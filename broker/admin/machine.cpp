#include "broker/admin/machine.h"

#include <string>
#include <string_view>

#include <dirent.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

namespace wherry::broker::admin {

namespace {

Machine look_at_machine() {
  Machine machine;
  if (DIR* folder = ::opendir("/proc/self/fd")) {
    while (const dirent* entry = ::readdir(folder)) {
      if (entry->d_name[0] == '.') continue;
      ++machine.open_files;
      char target[64] = {};
      const std::string path = fmt::format("/proc/self/fd/{}", entry->d_name);
      if (::readlink(path.c_str(), target, sizeof target - 1) > 0 && std::string_view(target).starts_with("socket:")) {
        ++machine.sockets;
      }
    }
    ::closedir(folder);
  }
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) machine.most_files = limit.rlim_cur;
  if (DIR* folder = ::opendir("/proc/self/task")) {
    while (const dirent* entry = ::readdir(folder)) machine.threads += entry->d_name[0] != '.';
    ::closedir(folder);
  }
  return machine;
}

}  // namespace

Machine MachineWatch::look(std::chrono::steady_clock::time_point now) {
  const std::lock_guard lock(mutex_);
  if (!looked_ || now - *looked_ >= std::chrono::seconds(1)) {
    last_ = look_at_machine();
    looked_ = now;
  }
  return last_;
}

}  // namespace wherry::broker::admin
