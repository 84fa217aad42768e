#include "broker/store/memory_vfs.h"

#include <algorithm>

#include "base/assert.h"

namespace wherry::broker {

class MemoryVfs::OpenFile final : public File {
 public:
  OpenFile(MemoryVfs& disk, Bytes bytes, std::string path, bool writable)
      : disk_(disk), bytes_(std::move(bytes)), path_(std::move(path)), writable_(writable) {}

  DiskResult<std::size_t> read_at(std::uint64_t offset, char* into, std::size_t count) override {
    const std::lock_guard lock(disk_.mutex_);
    if (offset >= bytes_->size()) return 0;
    return bytes_->copy(into, count, offset);
  }

  DiskResult<void> write_at(std::uint64_t offset, std::string_view bytes) override {
    if (!writable_) return disk_error("write", path_, std::errc::bad_file_descriptor);
    const std::lock_guard lock(disk_.mutex_);
    if (bytes.empty()) return {};
    if (bytes_->size() < offset + bytes.size()) bytes_->resize(offset + bytes.size());
    std::copy(bytes.begin(), bytes.end(), bytes_->begin() + static_cast<std::ptrdiff_t>(offset));
    return {};
  }

  DiskResult<void> preallocate(std::uint64_t bytes) override {
    WHERRY_ASSERT(bytes > 0);
    if (!writable_) return disk_error("preallocate", path_, std::errc::bad_file_descriptor);
    const std::lock_guard lock(disk_.mutex_);
    if (bytes_->size() < bytes) bytes_->resize(bytes);
    return {};
  }

  DiskResult<std::uint64_t> size() override {
    const std::lock_guard lock(disk_.mutex_);
    return bytes_->size();
  }

  DiskResult<void> sync() override { return {}; }

 private:
  MemoryVfs& disk_;
  const Bytes bytes_;
  const std::string path_;
  const bool writable_;
};

DiskResult<std::unique_ptr<File>> MemoryVfs::open(const std::string& path, OpenMode mode) {
  const std::lock_guard lock(mutex_);
  auto at = files_.find(path);
  if (mode == OpenMode::create) {
    if (!folders_.contains(folder_of(path))) return disk_error("create", path, std::errc::no_such_file_or_directory);
    if (at != files_.end() || folders_.contains(path)) return disk_error("create", path, std::errc::file_exists);
    at = files_.emplace(path, std::make_shared<std::string>()).first;
  } else if (at == files_.end()) {
    return disk_error("open", path, std::errc::no_such_file_or_directory);
  }
  return std::make_unique<OpenFile>(*this, at->second, path, mode != OpenMode::read);
}

DiskResult<void> MemoryVfs::rename(const std::string& from, const std::string& to) {
  WHERRY_ASSERT(folder_of(from) == folder_of(to) && from != to);
  const std::lock_guard lock(mutex_);
  const auto at = files_.find(from);
  if (at == files_.end()) return disk_error("rename", from, std::errc::no_such_file_or_directory);
  files_[to] = std::move(at->second);
  files_.erase(at);
  return {};
}

DiskResult<void> MemoryVfs::remove(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (files_.erase(path) == 0) return disk_error("remove", path, std::errc::no_such_file_or_directory);
  return {};
}

DiskResult<std::vector<std::string>> MemoryVfs::list(const std::string& folder) {
  const std::lock_guard lock(mutex_);
  if (!folders_.contains(folder)) return disk_error("list", folder, std::errc::no_such_file_or_directory);
  std::vector<std::string> names;
  for (const auto& [path, bytes] : files_) {
    if (folder_of(path) == folder) names.push_back(path.substr(path.find_last_of('/') + 1));
  }
  std::sort(names.begin(), names.end());
  return names;
}

DiskResult<void> MemoryVfs::make_folder(const std::string& folder) {
  const std::lock_guard lock(mutex_);
  if (files_.contains(folder)) return disk_error("make folder", folder, std::errc::not_a_directory);
  if (!folders_.contains(folder_of(folder))) {
    return disk_error("make folder", folder, std::errc::no_such_file_or_directory);
  }
  folders_.insert(folder);
  return {};
}

DiskResult<void> MemoryVfs::sync_folder(const std::string& folder) {
  const std::lock_guard lock(mutex_);
  if (!folders_.contains(folder)) return disk_error("sync", folder, std::errc::no_such_file_or_directory);
  return {};
}

}  // namespace wherry::broker
