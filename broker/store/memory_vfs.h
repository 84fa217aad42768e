// MemoryVfs: files that live as long as the object: for tests, and for brokers that keep nothing. Nothing is ever lost
// and syncs do nothing. Contract, threads and errors: vfs.h. The folders "." and "/" are there from the start.
#pragma once

#include <map>
#include <mutex>
#include <set>

#include "broker/store/vfs.h"

namespace wherry::broker {

class MemoryVfs final : public Vfs {
 public:
  DiskResult<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override;
  DiskResult<void> rename(const std::string& from, const std::string& to) override;
  DiskResult<void> remove(const std::string& path) override;
  DiskResult<std::vector<std::string>> list(const std::string& folder) override;
  DiskResult<void> make_folder(const std::string& folder) override;
  DiskResult<void> sync_folder(const std::string& folder) override;

 private:
  class OpenFile;
  using Bytes = std::shared_ptr<std::string>;

  std::mutex mutex_;
  std::set<std::string> folders_ = {".", "/"};
  std::map<std::string, Bytes> files_;
};

}  // namespace wherry::broker
