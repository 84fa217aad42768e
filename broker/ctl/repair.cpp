#include "broker/ctl/repair.h"

#include <algorithm>
#include <optional>
#include <random>

#include <fmt/format.h>

#include "broker/store/disk_store.h"
#include "broker/store/schedule_jobs.h"

namespace wherry::broker {

namespace {

constexpr std::uint64_t kCopyBytes = std::uint64_t{1} << 20;
constexpr std::uint64_t kMergeBytes = std::uint64_t{8} << 20;

class Repair {
 public:
  Repair(Vfs& disk, ShardCheck& check, const RepairOptions& options)
      : disk_(disk), check_(check), contents_(check.contents()), options_(options) {}

  DiskResult<RepairOutcome> run() {
    for (const Finding& finding : check_.findings()) {
      auto copy = copy_aside(disk_, check_.folder() + "/quarantine", finding.file, finding.begin, finding.end);
      if (!copy) return tl::unexpected(copy.error());
      outcome_.copies.push_back(std::move(*copy));
    }
    for (const auto& [sub, ending] : {std::pair{"/segments", ".tmp"}, std::pair{"/delays", ".run.new"}}) {
      if (auto done = remove_half_written(check_.folder() + sub, ending); !done) return tl::unexpected(done.error());
    }
    if (!check_.damaged_segments().empty()) {
      if (auto done = rewrite_segments(); !done) return tl::unexpected(done.error());
    }
    for (const std::uint64_t number : check_.damaged_runs()) {
      if (auto done = rewrite_run(number); !done) return tl::unexpected(done.error());
    }
    if (!check_.log().damage.empty()) {
      if (auto done = renew_log(); !done) return tl::unexpected(done.error());
    }
    return std::move(outcome_);
  }

 private:
  struct Source {
    QueueId queue = 0;
    const KeptQueue* kept = nullptr;
    const KeptPage* page = nullptr;
  };

  std::uint64_t random() const {
    if (options_.random) return options_.random();
    std::random_device device;
    return std::uint64_t{device()} << 32 | device();
  }

  DiskResult<void> remove(const std::string& path) {
    if (auto done = disk_.remove(path); !done) return done;
    if (auto done = disk_.sync_folder(folder_of(path)); !done) return done;
    outcome_.replaced.push_back(path);
    return {};
  }

  // By whoever was killed at it; what it holds is elsewhere.
  DiskResult<void> remove_half_written(const std::string& folder, std::string_view ending) {
    const auto names = list_if_there(disk_, folder);
    if (!names) return tl::unexpected(names.error());
    for (const std::string& name : *names) {
      if (!name.ends_with(ending)) continue;
      if (auto done = disk_.remove(folder + "/" + name); !done) return done;
    }
    return {};
  }

  // The damaged ones; and older ones that share messages with one whose header would have said that it replaces them.
  std::set<std::uint64_t> inputs() const {
    std::set<std::uint64_t> inputs = check_.damaged_segments();
    for (const Finding& finding : check_.findings()) {
      if (finding.part != Finding::Part::segment || finding.begin != 0) continue;
      const std::uint64_t sequence = segment_sequence(finding.file.substr(finding.file.rfind('/') + 1));
      const auto headless = contents_.segments().find(sequence);
      if (headless == contents_.segments().end()) continue;
      const std::set<std::pair<QueueId, std::uint64_t>> pages(headless->second.pages.begin(),
                                                              headless->second.pages.end());
      for (const auto& [older, segment] : contents_.segments()) {
        if (older >= sequence) break;
        const auto shared = [&](const auto& page) { return pages.contains(page); };
        if (std::any_of(segment.pages.begin(), segment.pages.end(), shared)) inputs.insert(older);
      }
    }
    return inputs;
  }

  DiskResult<void> rewrite_segments() {
    const std::set<std::uint64_t> inputs = this->inputs();
    std::vector<Source> sources;
    for (const auto& [queue, kept] : contents_.queues()) {
      for (const KeptPage& page : kept->pages) {
        if (page.live.any() && inputs.contains(page.segment->file->sequence())) {
          sources.push_back({queue, kept.get(), &page});
        }
      }
    }
    std::sort(sources.begin(), sources.end(), [](const Source& a, const Source& b) {
      return a.queue != b.queue ? a.queue < b.queue : *a.page < *b.page;
    });
    SegmentHeader header;
    header.sequence = contents_.next_segment();
    header.file_id = random();
    // Those that were replaced before and are still there must not come back with the one that replaced them gone.
    header.replaces = check_.replaced_segments();
    header.replaces.insert(header.replaces.end(), inputs.begin(), inputs.end());
    auto written = write_segment(disk_, contents_.segment_folder(), header,
                                 [&](SegmentEntry& into) { return next(sources, into); });
    if (trouble_) return tl::unexpected(*trouble_);
    if (!written) return tl::unexpected(written.error());
    for (const std::uint64_t sequence : header.replaces) {
      if (auto done = remove(contents_.segment_folder() + "/" + segment_file_name(sequence)); !done) return done;
    }
    return {};
  }

  // The live messages of a page, those with it that only the log has.
  bool read(const Source& source) {
    auto whole = contents_.read_page(
        source.queue, *source.kept, *source.page, [&](SegmentEntry&& entry) { entries_.push_back(std::move(entry)); },
        [](const SegmentDamage&) {});
    if (!whole) {
      trouble_ = whole.error();
      return false;
    }
    const ChunkBits missing = source.page->live - *whole;
    for (const SegmentEntry& entry : check_.in_log()) {
      if (entry.queue != source.queue || entry.at / chunk_positions != source.page->chunk) continue;
      if (missing.test(static_cast<unsigned>(entry.at % chunk_positions))) entries_.push_back(entry);
    }
    options_.on_written(source.page->length);
    return true;
  }

  // The next of the sources, in order.
  bool next(const std::vector<Source>& sources, SegmentEntry& into) {
    while (next_entry_ == entries_.size()) {
      if (next_source_ == sources.size() || trouble_) return false;
      entries_.clear();
      next_entry_ = 0;
      // The messages of a chunk's pages may lie between each other.
      const Source& first = sources[next_source_];
      while (next_source_ < sources.size() && sources[next_source_].queue == first.queue &&
             sources[next_source_].page->chunk == first.page->chunk) {
        if (!read(sources[next_source_++])) return false;
      }
      std::sort(entries_.begin(), entries_.end(),
                [](const SegmentEntry& a, const SegmentEntry& b) { return a.at < b.at; });
    }
    into = std::move(entries_[next_entry_++]);
    ++outcome_.moved;
    return true;
  }

  DiskResult<void> renew_log() {
    std::optional<DiskError> failure;
    DiskStore::Options options;
    options.folder = check_.folder();
    options.log_budget_bytes = 0;
    options.memory_budget_bytes = 0;
    options.dead_bytes_allowed = ~std::uint64_t{0} / 2;
    options.spare_files = 0;
    options.threads = false;
    options.random = options_.random;
    DiskStore::Owner owner;
    owner.post = [](std::function<void()> work) { work(); };
    owner.failed = [&](const DiskError& error) { failure = error; };
    owner.full = [&](bool full) {
      if (full && !failure)
        failure = DiskError{std::make_error_code(std::errc::no_space_on_device), "the disk is full"};
    };
    {
      auto store = DiskStore::open(disk_, std::move(options), std::move(owner));
      if (!store) return tl::unexpected(store.error());
      // Whatever the definitions know: what a queue that is gone has left is the next start's business.
      for (const auto& [queue, kept] : contents_.queues()) {
        (*store)->recover(
            queue, [](const MessageStore::Loaded&) {}, [](const MessageStore::Page&) {});
      }
      (*store)->recovered_all();
      (*store)->commit();
      while (!failure && ((*store)->work_log() || (*store)->work_segments() || (*store)->work_delays())) {
      }
    }
    if (failure) return tl::unexpected(*failure);
    for (const LogContents::LogFile& file : check_.log().files) {
      options_.on_written(file.size_bytes);
      const std::string path = contents_.log_folder() + "/" + log_file_name(file.sequence);
      if (!disk_.open(path, OpenMode::read)) {
        outcome_.replaced.push_back(path);
        continue;
      }
      // A file without a readable header may have no record by which it would retire; any other had to.
      if (file.size_bytes > 0) return disk_error("empty", path, std::errc::io_error);
      if (auto done = remove(path); !done) return done;
    }
    return {};
  }

  DiskResult<void> rewrite_run(std::uint64_t number) {
    const std::string folder = check_.folder() + "/delays";
    const std::string path = folder + "/" + run_file_name(number);
    const auto run = open_run(disk_, folder, number, [](const ScheduleDamage&) {});
    if (!run) return tl::unexpected(run.error());
    // Nothing of it can be read; its copy is in quarantine.
    if (!*run) return remove(path);
    const auto names = disk_.list(folder);
    if (!names) return tl::unexpected(names.error());
    RunHeader header = (*run)->header;
    for (const std::string& name : *names) {
      header.number = std::max(header.number, run_number(name, ".run").value_or(0));
    }
    header.number += 1;
    header.id = random();
    header.replaces.push_back(number);
    RunMerge merge(disk_, folder, header, {**run}, {}, {});
    for (;;) {
      const auto done = merge.step(kMergeBytes);
      if (!done) {
        merge.abandon();
        return tl::unexpected(done.error());
      }
      options_.on_written(kMergeBytes);
      if (*done) break;
    }
    return remove(path);
  }

  Vfs& disk_;
  ShardCheck& check_;
  StoreContents& contents_;
  const RepairOptions& options_;
  RepairOutcome outcome_;
  std::vector<SegmentEntry> entries_;
  std::size_t next_entry_ = 0;
  std::size_t next_source_ = 0;
  std::optional<DiskError> trouble_;
};

}  // namespace

DiskResult<std::string> copy_aside(Vfs& disk, const std::string& folder, const std::string& file, std::uint64_t begin,
                                   std::uint64_t end) {
  const std::string to = fmt::format("{}/{}-{}", folder, file.substr(file.rfind('/') + 1), begin);
  if (auto done = disk.make_folder(folder); !done) return tl::unexpected(done.error());
  auto from = disk.open(file, OpenMode::read);
  if (!from) return tl::unexpected(from.error());
  // A broker's own copy has the beginning of it only, and what a killed repair has left may be half of it.
  if (disk.open(to, OpenMode::read)) {
    if (auto done = disk.remove(to); !done) return tl::unexpected(done.error());
  }
  auto copy = disk.open(to, OpenMode::create);
  if (!copy) return tl::unexpected(copy.error());
  std::string bytes;
  for (std::uint64_t at = begin; at < end; at += bytes.size()) {
    bytes.resize(std::min(end - at, kCopyBytes));
    const auto got = (*from)->read_at(at, bytes.data(), bytes.size());
    if (!got) return tl::unexpected(got.error());
    if (*got == 0) break;
    bytes.resize(*got);
    if (auto done = (*copy)->write_at(at - begin, bytes); !done) return tl::unexpected(done.error());
  }
  if (auto done = (*copy)->sync(); !done) return tl::unexpected(done.error());
  if (auto done = disk.sync_folder(folder); !done) return tl::unexpected(done.error());
  return to;
}

DiskResult<RepairOutcome> repair_shard(Vfs& disk, ShardCheck& check, const RepairOptions& options) {
  return Repair(disk, check, options).run();
}

}  // namespace wherry::broker
