// DataDir: the directory a broker owns while it runs: created when missing, locked so that no second broker uses it,
// nor a tool that wants it at rest.
//
// Lifetime: the lock is held until destruction (and by the system until the process is gone). Threads: one.
#pragma once

#include <filesystem>
#include <memory>

#include "base/result.h"

namespace wherry::broker {

class DataDir {
 public:
  // Errors name the directory, the cause and, for a lock, the process that holds it.
  static Result<std::unique_ptr<DataDir>> open(const std::filesystem::path& path);
  // For a tool: the directory must be there, and nothing in it is changed, while the lock keeps brokers away.
  static Result<std::unique_ptr<DataDir>> claim(const std::filesystem::path& path);
  // /var/lib/wherry for root, else $XDG_STATE_HOME/wherry or ~/.local/state/wherry.
  static std::filesystem::path default_path();
  ~DataDir();

  const std::filesystem::path& path() const { return path_; }

 private:
  DataDir(std::filesystem::path path, int lock) : path_(std::move(path)), lock_(lock) {}
  std::filesystem::path path_;
  int lock_;
};

}  // namespace wherry::broker
