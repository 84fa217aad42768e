// Vfs: the seam between the store and the disk. Everything the store reads or writes goes through it, so that the same
// code runs on a disk (posix_vfs.h), in memory (memory_vfs.h), and on a disk that loses its power (power_loss_vfs.h).
//
//   auto file = vfs.open("log/7.log", OpenMode::create);
//   (*file)->preallocate(64 << 20); (*file)->write_at(0, header); (*file)->sync();
//   vfs.rename("log/7.log", "log/8.log"); vfs.sync_folder("log");
//
// What survives a power cut: the bytes and the size of a file after File::sync(); the names of a folder after
// sync_folder(). Anything else may survive or not, in any combination, down to sectors of 512 bytes.
//
// Paths: '/' between folders, as the operating system takes them. Folders are made one level at a time.
// Errors: DiskError carries the operation, the file's name and the system's code; a full disk is std::errc::
// no_space_on_device from preallocate() or write_at(). After sync() or sync_folder() failed nothing can be said about
// what is on the disk, and trying again proves nothing: stop.
// Threads: a Vfs may be used from any thread; a File from one thread at a time, and sync() beside read_at().
// Lifetime: a File may outlive neither its Vfs nor the views handed to it; destroying it closes it, without a sync.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "base/result.h"

namespace wherry::broker {

struct DiskError {
  std::error_code code;
  std::string message;  // "write log/7.log: No space left on device"
};

template <class T>
using DiskResult = Result<T, DiskError>;

// For the implementations: what an operation on a path says when it fails.
tl::unexpected<DiskError> disk_error(std::string_view operation, std::string_view path, std::error_code code);
tl::unexpected<DiskError> disk_error(std::string_view operation, std::string_view path, std::errc code);

// The folder a path lies in: "log" for "log/7.log", "." for "7.log", "/" for "/log".
std::string folder_of(std::string_view path);

class File {
 public:
  virtual ~File() = default;

  // Reads `count` bytes into `into`; the result is smaller only where the file ends. A short read of the system is
  // read on.
  virtual DiskResult<std::size_t> read_at(std::uint64_t offset, char* into, std::size_t count) = 0;
  // Writes all of it; the file grows where it must, and what it grew over reads as zeros. After an error any part may
  // have been written.
  virtual DiskResult<void> write_at(std::uint64_t offset, std::string_view bytes) = 0;
  // Takes room on the disk for the first `bytes` of the file and makes it at least so long. What is there stays.
  // `bytes` is not 0.
  virtual DiskResult<void> preallocate(std::uint64_t bytes) = 0;
  virtual DiskResult<std::uint64_t> size() = 0;
  // Says that these bytes will be read soon. Only advice.
  virtual void will_need(std::uint64_t /*offset*/, std::uint64_t /*count*/) {}
  // Bytes and size are on the disk when it returns without an error. The file's name is the folder's business.
  virtual DiskResult<void> sync() = 0;
};

enum class OpenMode {
  read,    // Must exist.
  write,   // Must exist; reads too.
  create,  // Must not exist; reads too.
};

class Vfs {
 public:
  virtual ~Vfs() = default;

  virtual DiskResult<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) = 0;
  // Within one folder, to another name. Replaces what had the new name. Open files stay open.
  virtual DiskResult<void> rename(const std::string& from, const std::string& to) = 0;
  // A file. Open files can be used until they are closed.
  virtual DiskResult<void> remove(const std::string& path) = 0;
  // Names of the files in a folder, without the folder, sorted; subfolders are not listed.
  virtual DiskResult<std::vector<std::string>> list(const std::string& folder) = 0;
  // Succeeds when it is there already. Durable at once: its parent is synced.
  virtual DiskResult<void> make_folder(const std::string& folder) = 0;
  // Names that were made, changed or removed in the folder survive from here on.
  virtual DiskResult<void> sync_folder(const std::string& folder) = 0;
};

}  // namespace wherry::broker
