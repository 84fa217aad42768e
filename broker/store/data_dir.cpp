#include "broker/store/data_dir.h"

#include <cstdlib>
#include <string>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

namespace wherry::broker {

namespace fs = std::filesystem;

namespace {

// " (process 4711)", when the lock's file says so.
std::string holder_of(int lock) {
  char holder[32] = "";
  const ssize_t size = ::pread(lock, holder, sizeof holder - 1, 0);
  return size > 0 ? fmt::format(" (process {})", std::string(holder, static_cast<std::size_t>(size))) : "";
}

}  // namespace

fs::path DataDir::default_path() {
  if (::geteuid() == 0) return "/var/lib/wherry";
  if (const char* state = std::getenv("XDG_STATE_HOME"); state != nullptr && *state != '\0') {
    return fs::path(state) / "wherry";
  }
  const char* home = std::getenv("HOME");
  return fs::path(home != nullptr ? home : ".") / ".local/state/wherry";
}

Result<std::unique_ptr<DataDir>> DataDir::open(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) return fail(fmt::format("data directory {}: {}", path.string(), error.message()));
  const fs::path lock_path = path / "lock";
  int lock = ::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock < 0) {
    return fail(fmt::format("data directory {}: cannot write to it: {}", path.string(),
                            std::generic_category().message(errno)));
  }
  if (::flock(lock, LOCK_EX | LOCK_NB) != 0) {
    auto refusal =
        fail(fmt::format("data directory {}: another broker uses it{}; stop that one, or take another directory",
                         path.string(), holder_of(lock)));
    ::close(lock);
    return refusal;
  }
  const std::string pid = std::to_string(::getpid());
  if (::ftruncate(lock, 0) != 0 || ::pwrite(lock, pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
    auto trouble = std::generic_category().message(errno);
    ::close(lock);
    return fail(fmt::format("data directory {}: cannot write to it: {}", path.string(), trouble));
  }
  return std::unique_ptr<DataDir>(new DataDir(path, lock));
}

Result<std::unique_ptr<DataDir>> DataDir::claim(const fs::path& path) {
  const fs::path lock_path = path / "lock";
  int lock = ::open(lock_path.c_str(), O_RDONLY | O_CLOEXEC);
  if (lock < 0) {
    const auto why = std::generic_category().message(errno);
    return fail(errno == ENOENT
                    ? fmt::format("{} is not a data directory of a broker: it has no file named lock", path.string())
                    : fmt::format("data directory {}: cannot read its lock: {}", path.string(), why));
  }
  if (::flock(lock, LOCK_EX | LOCK_NB) != 0) {
    auto refusal =
        fail(fmt::format("data directory {}: a broker uses it{}; stop it first", path.string(), holder_of(lock)));
    ::close(lock);
    return refusal;
  }
  return std::unique_ptr<DataDir>(new DataDir(path, lock));
}

DataDir::~DataDir() {
  ::close(lock_);
}

}  // namespace wherry::broker
