// Log: batches of records in preallocated, recycled files; what is synced survives. docs/store-format.md is the format.
//
//   auto log = Log::open(disk, {.folder = "log"}, each_old_record);
//   batch.add(1, payload);
//   (*log)->write(batch);          // gives the LSN of its last record
//   (*log)->sync();                // durable_lsn() has moved there
//   (*log)->retire_below(lsn);     // everything before it is settled or kept elsewhere
//
// It blocks on the disk. Threads: one at a time. Errors: after the first DiskError of write(), sync(), retire_below()
// or close() the log is unusable, and calling it again is a bug: what is on the disk is found by open(), after a
// restart. Limits: of log_format.h; a batch that does not fit a file gets one of its own size. Lifetime: the Vfs
// outlives it.
#pragma once

#include <deque>

#include "broker/store/log_reader.h"

namespace wherry::broker {

class Log {
 public:
  struct Options {
    std::string folder;  // Must exist.
    std::uint64_t file_bytes = std::uint64_t{16} << 20;
    std::size_t spare_files = 2;                 // Retired files that are kept to be written again.
    std::function<std::uint64_t()> random = {};  // Ids of files; the system's when empty.
  };

  // Reads what is there, then begins a new file; a file that was recovered is never appended to.
  static DiskResult<std::unique_ptr<Log>> open(Vfs& disk, Options options,
                                               const std::function<void(const LogRecord&)>& each);

  // Damage that open() found, and the files as it found them.
  const LogContents& found() const { return found_; }

  // Makes sure that a batch of so many bytes fits, in a new file if it must. std::errc::no_space_on_device is an error
  // that can be answered: the log is as it was, and may be asked again.
  DiskResult<void> make_room(std::size_t batch_bytes);
  // Appends the records of the batch, which is cleared; not durable yet. Makes room where that was not done.
  DiskResult<std::uint64_t> write(BatchBuilder& batch);
  DiskResult<void> sync();
  // Syncs, and makes the log itself say that everything in it is durable: damage in it is told from a torn tail from
  // then on. Before files retire whose records were said again.
  DiskResult<void> anchor();
  // Retires the oldest files while all their records are below `lsn`; the file being written stays.
  DiskResult<void> retire_below(std::uint64_t lsn);
  // Syncs, and notes in the log that everything is durable. Not called by the destructor.
  DiskResult<void> close();

  // The largest batch that does not need a file of its own size. Any thread.
  std::uint64_t room_of_file() const { return options_.file_bytes - kLogHeaderBytes; }
  std::uint64_t last_lsn() const { return next_lsn_ - 1; }
  std::uint64_t durable_lsn() const { return durable_lsn_; }
  std::size_t files() const { return old_.size() + 1; }
  // The last record of the oldest file that could retire; 0 when there is only the one being written.
  std::uint64_t oldest_last_lsn() const;
  // Of all files, as they take room on the disk; spare ones left out.
  std::uint64_t bytes() const;

 private:
  Log(Vfs& disk, Options options) : disk_(disk), options_(std::move(options)) {}
  DiskResult<void> begin();
  DiskResult<void> begin_file(std::uint64_t follows_lsn, std::uint64_t first_batch_bytes);
  // The size of the file, once it is ready to be renamed.
  DiskResult<std::uint64_t> prepare(File& file, const LogFileHeader& header, std::uint64_t first_batch_bytes);
  DiskResult<void> sync_file();
  DiskResult<void> write_sealed(BatchBuilder& batch);
  std::string path(const std::string& name) const { return options_.folder + "/" + name; }
  std::string spare_path(std::uint64_t sequence) const;

  Vfs& disk_;
  Options options_;
  LogContents found_;
  std::deque<LogContents::LogFile> old_;
  std::vector<std::string> spares_;
  std::unique_ptr<File> file_;
  LogFileHeader header_;
  std::uint64_t size_bytes_ = 0;
  std::uint64_t offset_ = 0;
  std::uint64_t next_lsn_ = 1;
  std::uint64_t durable_lsn_ = 0;
  bool broken_ = false;
};

}  // namespace wherry::broker
