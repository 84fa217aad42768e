// Run files of the schedule: scheduled messages sorted by key, written once and read from the front.
// docs/schedule-format.md is the format.
//
//   auto writer = RunWriter::begin(disk, "delays", {.number = 7, .id = random, ...});
//   (*writer)->add(key, payload); ...            // keys grow
//   auto run = (*writer)->finish();              // durable under its name
//   RunCursor cursor(disk, *run, report);
//   cursor.seek_after(watermark);
//   while (!cursor.at_end()) { auto message = cursor.take(); ... }
//
// They block on the disk. Errors: writing gives DiskErrors. Reading gives none: what cannot be read is damage, which is
// reported with its byte range and passed over, up to the next good entry. Memory: a cursor without a window takes some
// hundred bytes, with one 64 KiB, or the size of the message it reads. Threads: one at a time each; several cursors may
// read one file. Lifetime: the Vfs outlives them; views live until the next call.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>

#include "broker/store/schedule_format.h"
#include "broker/store/vfs.h"

namespace wherry::broker {

struct ScheduleDamage {
  std::string file;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  std::string what;  // "entries that cannot be read"
};
using ReportScheduleDamage = std::function<void(const ScheduleDamage&)>;

// A finished file.
struct RunFile {
  std::string path;
  RunHeader header;
  RunFooter footer;
};

class RunWriter {
 public:
  static DiskResult<std::unique_ptr<RunWriter>> begin(Vfs& disk, std::string folder, RunHeader header);
  DiskResult<void> add(ScheduleKey key, std::string_view payload);
  std::uint64_t entries() const { return footer_.entries; }
  ScheduleKey last() const { return footer_.last; }
  std::uint64_t bytes_written() const { return offset_; }
  // Index and footer, sync, the file's name, sync of the folder. At least one entry was added.
  DiskResult<RunFile> finish();
  // Removes what was written. Also after an error; what is left behind is removed by the next start.
  void abandon();

 private:
  RunWriter(Vfs& disk, std::string folder, RunHeader header)
      : disk_(disk), folder_(std::move(folder)), header_(std::move(header)), seal_(header_.id) {}
  std::string path() const { return folder_ + "/" + run_file_name(header_.number); }
  std::string path_while_written() const { return path() + ".new"; }
  DiskResult<void> write_out();

  Vfs& disk_;
  const std::string folder_;
  const RunHeader header_;
  const RunSeal seal_;
  RunFooter footer_;
  std::unique_ptr<File> file_;
  std::uint64_t offset_ = 0;  // Of the beginning of pending_.
  std::string pending_;
  std::uint64_t block_begin_ = 0;
  std::string index_;
};

// The file of that number, from its header and footer: bounded, whatever it holds. A footer that is damaged is made
// anew by reading the whole file. Nothing, and reported, when nothing can be said about the file. A run of a newer
// version is an error.
DiskResult<std::optional<RunFile>> open_run(Vfs& disk, const std::string& folder, std::uint64_t number,
                                            const ReportScheduleDamage& report);

class RunCursor {
 public:
  // Stands at the first entry.
  RunCursor(Vfs& disk, RunFile run, ReportScheduleDamage report);

  const RunFile& run() const { return run_; }
  // To the first entry behind the key, by the index.
  void seek_after(ScheduleKey key);
  bool at_end() const { return at_end_; }
  // Of the entry it stands at, which is known to be one. Precondition of these: not at_end().
  ScheduleKey key() const { return entry_.key; }
  // The entry, and on to the next; nothing when its bytes are damaged, which was reported.
  std::optional<ScheduledView> take();
  // The payload as it is on the disk instead.
  std::optional<std::string_view> take_payload();
  void skip();

  // Entries not passed, but for those that damage hides.
  std::uint64_t remaining() const { return at_end_ ? 0 : run_.footer.entries - std::min(run_.footer.entries, passed_); }
  std::uint64_t remaining_bytes() const { return at_end_ ? 0 : run_.footer.index_offset - offset_; }
  bool saw_damage() const { return saw_damage_; }

  // The window: what has been read of the file around the cursor.
  bool loaded() const { return !window_.empty(); }
  void load() { view(offset_, kRunEntryPeekBytes); }
  void release();
  std::size_t memory_bytes() const { return window_.capacity() + taken_.capacity(); }

 private:
  friend DiskResult<std::optional<RunFile>> open_run(Vfs&, const std::string&, std::uint64_t,
                                                     const ReportScheduleDamage&);
  std::string_view view(std::uint64_t offset, std::uint64_t count);
  void settle_at(std::uint64_t offset, ScheduleKey after);
  std::optional<RunSeal::Peeked> entry_at(std::uint64_t offset, ScheduleKey after);
  std::optional<RunIndexEntry> index_at(std::uint64_t at);
  void damaged(std::uint64_t begin, std::uint64_t end, std::string what);

  RunFile run_;
  RunSeal seal_;
  ReportScheduleDamage report_;
  std::unique_ptr<File> file_;
  std::uint64_t offset_ = 0;
  RunSeal::Peeked entry_;
  std::uint64_t passed_ = 0;
  bool at_end_ = false;
  bool saw_damage_ = false;
  std::string window_;
  std::uint64_t window_at_ = 0;
  std::string taken_;  // A payload that outlives the window.
};

}  // namespace wherry::broker
