// A disk in front of another, for tests that change one of its answers.
#pragma once

#include "broker/store/vfs.h"

namespace wherry::broker::test {

class ForwardingVfs : public Vfs {
 public:
  explicit ForwardingVfs(Vfs& disk) : disk_(disk) {}

  DiskResult<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override {
    return disk_.open(path, mode);
  }
  DiskResult<void> rename(const std::string& from, const std::string& to) override { return disk_.rename(from, to); }
  DiskResult<void> remove(const std::string& path) override { return disk_.remove(path); }
  DiskResult<std::vector<std::string>> list(const std::string& folder) override { return disk_.list(folder); }
  DiskResult<void> make_folder(const std::string& folder) override { return disk_.make_folder(folder); }
  DiskResult<void> sync_folder(const std::string& folder) override { return disk_.sync_folder(folder); }

 private:
  Vfs& disk_;
};

}  // namespace wherry::broker::test
