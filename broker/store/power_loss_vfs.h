// PowerLossVfs: a disk in memory that can lose its power. A tool for tests; a seed replays a run.
//
//   PowerLossVfs disk(seed);
//   ... use it; stop at any moment, or cut the power at the n-th operation with fail_from(n) ...
//   auto after = disk.crash();          // the disk as it may look when the power is back
//   after->flip_bit("log/7.log", 0, 512);
//
// What a crash keeps, chosen by the seed:
//   - of each sector (512 bytes) that was written since the file's last sync: its content after any one of those
//     writes, or as it was synced. So a write may be torn at sector borders, and later writes kept without earlier
//     ones.
//   - of a size that grew since then, by writing or preallocating: any it had. A sector kept beyond the size is lost;
//     a size kept without its sectors reads as zeros.
//   - of creates, renames and removals since the folder's last sync_folder(): any of them.
//   Folders themselves are never lost: make_folder() syncs.
//
// Threads: any, so power can be cut beside a thread that writes; the disk lives on, and the crashed one is a copy.
// Errors: vfs.h, and what fail_from() asked for.
#pragma once

#include <limits>
#include <map>
#include <mutex>
#include <random>
#include <set>

#include "broker/store/vfs.h"

namespace wherry::broker {

class PowerLossVfs final : public Vfs {
 public:
  static constexpr std::size_t sector_bytes = 512;

  explicit PowerLossVfs(std::uint64_t seed) : random_(seed) {}

  // A copy of the disk after a power cut at this moment; everything on it is durable. Calls in a row cut differently.
  std::unique_ptr<PowerLossVfs> crash();

  // The next `operations` that change or sync something succeed; all after them fail with the code, until heal(). The
  // first write that fails is done in part.
  void fail_from(std::uint64_t operations, std::errc code = std::errc::io_error);
  void heal() { fail_from(std::numeric_limits<std::uint64_t>::max()); }
  // How many such operations there were.
  std::uint64_t operations();

  // Flips one bit in bytes [begin, end) of a file, synced or not, and returns the byte's offset. The range must exist.
  std::uint64_t flip_bit(const std::string& path, std::uint64_t begin, std::uint64_t end);

  DiskResult<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override;
  DiskResult<void> rename(const std::string& from, const std::string& to) override;
  DiskResult<void> remove(const std::string& path) override;
  DiskResult<std::vector<std::string>> list(const std::string& folder) override;
  DiskResult<void> make_folder(const std::string& folder) override;
  DiskResult<void> sync_folder(const std::string& folder) override;

 private:
  class OpenFile;

  struct SectorWrite {
    std::uint64_t sector = 0;
    std::string content;  // Of the whole sector after the write.
  };
  struct Node {
    std::string now;
    std::string synced;
    std::vector<SectorWrite> unsynced;       // In the order of the writes.
    std::vector<std::uint64_t> grown_sizes;  // Since the last sync.
  };
  using NodeRef = std::shared_ptr<Node>;
  using Names = std::map<std::string, NodeRef>;

  struct Change {
    std::string folder;
    std::string from;  // Empty: created.
    std::string to;    // Empty: removed.
    NodeRef node;
  };

  bool fails();  // Counts an operation.
  static void apply(Names& names, const Change& change);
  static void write(Node& node, std::uint64_t offset, std::string_view bytes);
  static void grow(Node& node, std::uint64_t size);
  static void sync(Node& node);
  std::string crashed(const Node& node, double keep);

  std::mutex mutex_;
  std::mt19937_64 random_;
  std::uint64_t operations_ = 0;
  std::uint64_t fail_from_ = std::numeric_limits<std::uint64_t>::max();
  std::errc fail_with_ = std::errc::io_error;
  std::set<std::string> folders_ = {".", "/"};
  Names names_;
  Names synced_names_;
  std::vector<Change> unsynced_names_;
};

}  // namespace wherry::broker
