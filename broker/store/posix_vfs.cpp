#include "broker/store/posix_vfs.h"

#include <algorithm>
#include <cerrno>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"

namespace wherry::broker {
namespace {

tl::unexpected<DiskError> failed(std::string_view operation, std::string_view path) {
  return disk_error(operation, path, std::error_code(errno, std::generic_category()));
}

template <class Call>
auto uninterrupted(Call call) {
  auto result = call();
  while (result == -1 && errno == EINTR) result = call();
  return result;
}

class PosixFile final : public File {
 public:
  PosixFile(int handle, std::string path) : handle_(handle), path_(std::move(path)) {}
  ~PosixFile() override { ::close(handle_); }
  PosixFile(const PosixFile&) = delete;
  PosixFile& operator=(const PosixFile&) = delete;

  DiskResult<std::size_t> read_at(std::uint64_t offset, char* into, std::size_t count) override {
    std::size_t done = 0;
    while (done < count) {
      const ssize_t got =
          uninterrupted([&] { return ::pread(handle_, into + done, count - done, static_cast<off_t>(offset + done)); });
      if (got < 0) return failed("read", path_);
      if (got == 0) break;
      done += static_cast<std::size_t>(got);
    }
    return done;
  }

  DiskResult<void> write_at(std::uint64_t offset, std::string_view bytes) override {
    while (!bytes.empty()) {
      const ssize_t put =
          uninterrupted([&] { return ::pwrite(handle_, bytes.data(), bytes.size(), static_cast<off_t>(offset)); });
      if (put < 0) return failed("write", path_);
      offset += static_cast<std::uint64_t>(put);
      bytes.remove_prefix(static_cast<std::size_t>(put));
    }
    return {};
  }

  DiskResult<void> preallocate(std::uint64_t bytes) override {
    WHERRY_ASSERT(bytes > 0);
    // posix_fallocate returns its error; where the file system cannot, the library writes zeros into what is missing.
    int code = EINTR;
    while (code == EINTR) code = ::posix_fallocate(handle_, 0, static_cast<off_t>(bytes));
    if (code != 0) return disk_error("preallocate", path_, std::error_code(code, std::generic_category()));
    return {};
  }

  DiskResult<std::uint64_t> size() override {
    struct stat status {};
    if (::fstat(handle_, &status) != 0) return failed("stat", path_);
    return static_cast<std::uint64_t>(status.st_size);
  }

  void will_need(std::uint64_t offset, std::uint64_t count) override {
    ::posix_fadvise(handle_, static_cast<off_t>(offset), static_cast<off_t>(count), POSIX_FADV_WILLNEED);
  }

  DiskResult<void> sync() override {
    // Not repeated after EINTR or anything else: see vfs.h.
    if (::fdatasync(handle_) != 0) return failed("sync", path_);
    return {};
  }

 private:
  const int handle_;
  const std::string path_;
};

}  // namespace

DiskResult<std::unique_ptr<File>> PosixVfs::open(const std::string& path, OpenMode mode) {
  int flags = O_CLOEXEC | (mode == OpenMode::read ? O_RDONLY : O_RDWR);
  if (mode == OpenMode::create) flags |= O_CREAT | O_EXCL;
  const int handle = uninterrupted([&] { return ::open(path.c_str(), flags, 0640); });
  if (handle < 0) return failed(mode == OpenMode::create ? "create" : "open", path);
  return std::make_unique<PosixFile>(handle, path);
}

DiskResult<void> PosixVfs::rename(const std::string& from, const std::string& to) {
  WHERRY_ASSERT(folder_of(from) == folder_of(to) && from != to);
  if (::rename(from.c_str(), to.c_str()) != 0) return failed("rename", from);
  return {};
}

DiskResult<void> PosixVfs::remove(const std::string& path) {
  if (::unlink(path.c_str()) != 0) return failed("remove", path);
  return {};
}

DiskResult<std::vector<std::string>> PosixVfs::list(const std::string& folder) {
  const std::unique_ptr<DIR, int (*)(DIR*)> open(::opendir(folder.c_str()),
                                                 [](DIR* handle) { return ::closedir(handle); });
  if (open == nullptr) return failed("list", folder);
  std::vector<std::string> names;
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(open.get());
    if (entry == nullptr) break;
    struct stat status {};
    if (::fstatat(::dirfd(open.get()), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno == ENOENT) continue;
      return failed("list", folder);
    }
    if (S_ISREG(status.st_mode)) names.emplace_back(entry->d_name);
  }
  if (errno != 0) return failed("list", folder);
  std::sort(names.begin(), names.end());
  return names;
}

DiskResult<void> PosixVfs::make_folder(const std::string& folder) {
  if (::mkdir(folder.c_str(), 0750) != 0) {
    if (errno != EEXIST) return failed("make folder", folder);
    struct stat status {};
    if (::stat(folder.c_str(), &status) != 0) return failed("make folder", folder);
    if (!S_ISDIR(status.st_mode)) return disk_error("make folder", folder, std::errc::not_a_directory);
  }
  return sync_folder(folder_of(folder));
}

DiskResult<void> PosixVfs::sync_folder(const std::string& folder) {
  const int handle = uninterrupted([&] { return ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
  if (handle < 0) return failed("open", folder);
  const PosixFile open(handle, folder);
  if (::fsync(handle) != 0) return failed("sync", folder);
  return {};
}

}  // namespace wherry::broker
