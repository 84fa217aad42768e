// ShardCheck: reads every byte of a shard's folder that counts: log files, segments with each entry, page and index,
// the schedule's runs; and says what is damaged and what that means. Nothing on the disk is changed.
//
//   ShardCheck check(disk, "DATA/shard-0");
//   auto done = check.read([](std::uint64_t bytes) { ... });
//   for (const Finding& finding : check.findings()) ...
//
// What a restart would bring back is contents(), by the broker's own code. Memory: the messages that are in the log
// only, 80 bytes for each page, and a segment of which index or footer are damaged. Threads: one. Errors: a DiskError
// when something cannot be read, or is of a newer version (std::errc::not_supported); damage is no error. Lifetime: the
// Vfs outlives it.
#pragma once

#include <functional>
#include <set>

#include "broker/ctl/finding.h"
#include "broker/store/store_contents.h"

namespace wherry::broker {

// So many bytes more have been read.
using OnRead = std::function<void(std::uint64_t bytes)>;

class ShardCheck {
 public:
  ShardCheck(Vfs& disk, std::string folder)
      : disk_(disk), folder_(std::move(folder)), contents_(std::make_unique<StoreContents>(disk, folder_)) {}

  DiskResult<void> read(const OnRead& on_read);

  const std::string& folder() const { return folder_; }
  const std::vector<Finding>& findings() const { return findings_; }
  const StoreContents& contents() const { return *contents_; }
  StoreContents& contents() { return *contents_; }
  const LogContents& log() const { return log_; }

  struct Totals {
    std::uint64_t log_files = 0;
    std::uint64_t records = 0;  // That count.
    std::uint64_t segments = 0;
    std::uint64_t entries = 0;  // Whole ones.
    std::uint64_t runs = 0;
    std::uint64_t scheduled = 0;  // Whole ones.
    std::uint64_t bytes = 0;
  };
  const Totals& totals() const { return totals_; }

  // Segments, and runs of the schedule, in which something is damaged.
  const std::set<std::uint64_t>& damaged_segments() const { return damaged_segments_; }
  const std::set<std::uint64_t>& damaged_runs() const { return damaged_runs_; }
  // Still there, though others replace them.
  const std::vector<std::uint64_t>& replaced_segments() const { return replaced_segments_; }
  // Messages of damaged pages of which the log still has a copy.
  const std::vector<SegmentEntry>& in_log() const { return in_log_; }

 private:
  struct PageRef {
    QueueId queue = 0;
    KeptQueue* kept = nullptr;
    const KeptPage* page = nullptr;
  };
  DiskResult<void> read_log_files(const OnRead& on_read);
  DiskResult<void> read_segment(std::uint64_t sequence, const std::vector<PageRef>& pages, const OnRead& on_read);
  DiskResult<void> read_page(const Segment& segment, const PageRef& page);
  DiskResult<void> look_into_log();
  DiskResult<void> read_runs(const OnRead& on_read);

  Vfs& disk_;
  const std::string folder_;
  std::unique_ptr<StoreContents> contents_;
  LogContents log_;
  std::vector<Finding> findings_;
  Totals totals_;
  std::set<std::uint64_t> damaged_segments_;
  std::set<std::uint64_t> damaged_runs_;
  std::vector<std::uint64_t> replaced_segments_;
  std::vector<SegmentEntry> in_log_;
};

// What it takes of a damaged segment to know whether more than its index is lost.
DiskResult<std::vector<Finding>> explain_segment(Vfs& disk, const std::string& folder, std::uint64_t sequence);
// Reads one run of the schedule; gives how many messages of it are whole.
DiskResult<std::uint64_t> check_run(Vfs& disk, const std::string& folder, std::uint64_t number,
                                    std::vector<Finding>& findings);

// A folder that is not there has no files.
DiskResult<std::vector<std::string>> list_if_there(Vfs& disk, const std::string& folder);
DiskResult<std::uint64_t> size_of(Vfs& disk, const std::string& path);
// What read() will read, for a bar that shows how far it is.
DiskResult<std::uint64_t> bytes_of_shard(Vfs& disk, const std::string& folder);

}  // namespace wherry::broker
