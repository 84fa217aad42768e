// PosixVfs: the real disk. pread, pwrite, fallocate, fdatasync and fsync of directories; nothing is mapped.
// Contract, threads and errors: vfs.h. Files are made with mode 0640, folders with 0750.
#pragma once

#include "broker/store/vfs.h"

namespace wherry::broker {

class PosixVfs final : public Vfs {
 public:
  DiskResult<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override;
  DiskResult<void> rename(const std::string& from, const std::string& to) override;
  DiskResult<void> remove(const std::string& path) override;
  DiskResult<std::vector<std::string>> list(const std::string& folder) override;
  DiskResult<void> make_folder(const std::string& folder) override;
  DiskResult<void> sync_folder(const std::string& folder) override;
};

}  // namespace wherry::broker
