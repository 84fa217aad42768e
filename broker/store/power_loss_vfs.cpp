#include "broker/store/power_loss_vfs.h"

#include <algorithm>

#include "base/assert.h"

namespace wherry::broker {

class PowerLossVfs::OpenFile final : public File {
 public:
  OpenFile(PowerLossVfs& disk, NodeRef node, std::string path, bool writable)
      : disk_(disk), node_(std::move(node)), path_(std::move(path)), writable_(writable) {}

  DiskResult<std::size_t> read_at(std::uint64_t offset, char* into, std::size_t count) override {
    const std::lock_guard lock(disk_.mutex_);
    if (offset >= node_->now.size()) return 0;
    return node_->now.copy(into, count, offset);
  }

  DiskResult<void> write_at(std::uint64_t offset, std::string_view bytes) override {
    if (!writable_) return disk_error("write", path_, std::errc::bad_file_descriptor);
    const std::lock_guard lock(disk_.mutex_);
    const bool first_failure = disk_.operations_ == disk_.fail_from_;
    if (disk_.fails()) {
      if (first_failure) write(*node_, offset, bytes.substr(0, disk_.random_() % (bytes.size() + 1)));
      return disk_error("write", path_, disk_.fail_with_);
    }
    write(*node_, offset, bytes);
    return {};
  }

  DiskResult<void> preallocate(std::uint64_t bytes) override {
    WHERRY_ASSERT(bytes > 0);
    if (!writable_) return disk_error("preallocate", path_, std::errc::bad_file_descriptor);
    const std::lock_guard lock(disk_.mutex_);
    if (disk_.fails()) return disk_error("preallocate", path_, disk_.fail_with_);
    grow(*node_, bytes);
    return {};
  }

  DiskResult<std::uint64_t> size() override {
    const std::lock_guard lock(disk_.mutex_);
    return node_->now.size();
  }

  DiskResult<void> sync() override {
    const std::lock_guard lock(disk_.mutex_);
    if (disk_.fails()) return disk_error("sync", path_, disk_.fail_with_);
    PowerLossVfs::sync(*node_);
    return {};
  }

 private:
  PowerLossVfs& disk_;
  const NodeRef node_;
  const std::string path_;
  const bool writable_;
};

bool PowerLossVfs::fails() {
  return operations_++ >= fail_from_;
}

void PowerLossVfs::grow(Node& node, std::uint64_t size) {
  if (size <= node.now.size()) return;
  node.now.resize(size);
  node.grown_sizes.push_back(size);
}

void PowerLossVfs::write(Node& node, std::uint64_t offset, std::string_view bytes) {
  if (bytes.empty()) return;
  grow(node, offset + bytes.size());
  std::copy(bytes.begin(), bytes.end(), node.now.begin() + static_cast<std::ptrdiff_t>(offset));
  const std::uint64_t last = (offset + bytes.size() - 1) / sector_bytes;
  for (std::uint64_t sector = offset / sector_bytes; sector <= last; ++sector) {
    node.unsynced.push_back({sector, node.now.substr(sector * sector_bytes, sector_bytes)});
  }
}

void PowerLossVfs::sync(Node& node) {
  node.synced.resize(node.now.size());
  for (const SectorWrite& write : node.unsynced) {
    node.synced.replace(write.sector * sector_bytes, write.content.size(), write.content);
  }
  node.unsynced.clear();
  node.grown_sizes.clear();
}

void PowerLossVfs::apply(Names& names, const Change& change) {
  // A rename or removal may be kept although an earlier change was lost: the file has one name at most all the same.
  if (!change.from.empty()) std::erase_if(names, [&](const auto& name) { return name.second == change.node; });
  if (!change.to.empty()) names[change.to] = change.node;
}

std::string PowerLossVfs::crashed(const Node& node, double keep) {
  std::bernoulli_distribution kept(keep);
  std::map<std::uint64_t, const std::string*> sectors;
  std::set<std::uint64_t> settled;
  for (const SectorWrite& write : node.unsynced) {
    if (settled.contains(write.sector)) continue;
    // Once a sector stops moving on, its later writes are lost as well: the disk got one of its states.
    if (kept(random_)) {
      sectors[write.sector] = &write.content;
    } else if (random_() % 2 == 0) {
      settled.insert(write.sector);
    }
  }
  std::uint64_t size = node.synced.size();
  if (!node.grown_sizes.empty() && kept(random_)) size = node.grown_sizes[random_() % node.grown_sizes.size()];
  std::string bytes = node.synced;
  bytes.resize(node.now.size());
  for (const auto& [sector, content] : sectors) bytes.replace(sector * sector_bytes, content->size(), *content);
  bytes.resize(size);
  return bytes;
}

std::unique_ptr<PowerLossVfs> PowerLossVfs::crash() {
  const std::lock_guard lock(mutex_);
  auto after = std::make_unique<PowerLossVfs>(random_());
  // Nothing kept and everything kept are the likeliest in life, and rare among random subsets.
  const std::uint64_t kind = random_() % 8;
  const double keep = kind == 0 ? 0 : kind == 1 ? 1 : std::uniform_real_distribution<double>(0, 1)(random_);
  Names names = synced_names_;
  for (const Change& change : unsynced_names_) {
    if (std::bernoulli_distribution(keep)(random_)) apply(names, change);
  }
  for (const auto& [path, node] : names) {
    auto copy = std::make_shared<Node>();
    copy->synced = crashed(*node, keep);
    copy->now = copy->synced;
    after->names_[path] = std::move(copy);
  }
  after->synced_names_ = after->names_;
  after->folders_ = folders_;
  return after;
}

void PowerLossVfs::fail_from(std::uint64_t operations, std::errc code) {
  const std::lock_guard lock(mutex_);
  const bool never = operations == std::numeric_limits<std::uint64_t>::max();
  fail_from_ = never ? operations : operations_ + operations;
  fail_with_ = code;
}

std::uint64_t PowerLossVfs::operations() {
  const std::lock_guard lock(mutex_);
  return operations_;
}

std::uint64_t PowerLossVfs::flip_bit(const std::string& path, std::uint64_t begin, std::uint64_t end) {
  const std::lock_guard lock(mutex_);
  const auto at = names_.find(path);
  WHERRY_ASSERT(at != names_.end() && begin < end && end <= at->second->now.size());
  const std::uint64_t offset = begin + random_() % (end - begin);
  const int bit = 1 << (random_() % 8);
  Node& node = *at->second;
  node.now[offset] = static_cast<char>(node.now[offset] ^ bit);
  if (offset < node.synced.size()) node.synced[offset] = static_cast<char>(node.synced[offset] ^ bit);
  for (SectorWrite& write : node.unsynced) {
    const std::uint64_t within = offset - write.sector * sector_bytes;
    if (write.sector == offset / sector_bytes && within < write.content.size()) {
      write.content[within] = static_cast<char>(write.content[within] ^ bit);
    }
  }
  return offset;
}

DiskResult<std::unique_ptr<File>> PowerLossVfs::open(const std::string& path, OpenMode mode) {
  const std::lock_guard lock(mutex_);
  auto at = names_.find(path);
  if (mode == OpenMode::create) {
    if (!folders_.contains(folder_of(path))) return disk_error("create", path, std::errc::no_such_file_or_directory);
    if (at != names_.end() || folders_.contains(path)) return disk_error("create", path, std::errc::file_exists);
    if (fails()) return disk_error("create", path, fail_with_);
    at = names_.emplace(path, std::make_shared<Node>()).first;
    unsynced_names_.push_back({folder_of(path), "", path, at->second});
  } else if (at == names_.end()) {
    return disk_error("open", path, std::errc::no_such_file_or_directory);
  }
  return std::make_unique<OpenFile>(*this, at->second, path, mode != OpenMode::read);
}

DiskResult<void> PowerLossVfs::rename(const std::string& from, const std::string& to) {
  WHERRY_ASSERT(folder_of(from) == folder_of(to) && from != to);
  const std::lock_guard lock(mutex_);
  const auto at = names_.find(from);
  if (at == names_.end()) return disk_error("rename", from, std::errc::no_such_file_or_directory);
  if (fails()) return disk_error("rename", from, fail_with_);
  unsynced_names_.push_back({folder_of(from), from, to, at->second});
  apply(names_, unsynced_names_.back());
  return {};
}

DiskResult<void> PowerLossVfs::remove(const std::string& path) {
  const std::lock_guard lock(mutex_);
  const auto at = names_.find(path);
  if (at == names_.end()) return disk_error("remove", path, std::errc::no_such_file_or_directory);
  if (fails()) return disk_error("remove", path, fail_with_);
  unsynced_names_.push_back({folder_of(path), path, "", at->second});
  apply(names_, unsynced_names_.back());
  return {};
}

DiskResult<std::vector<std::string>> PowerLossVfs::list(const std::string& folder) {
  const std::lock_guard lock(mutex_);
  if (!folders_.contains(folder)) return disk_error("list", folder, std::errc::no_such_file_or_directory);
  std::vector<std::string> names;
  for (const auto& [path, node] : names_) {
    if (folder_of(path) == folder) names.push_back(path.substr(path.find_last_of('/') + 1));
  }
  std::sort(names.begin(), names.end());
  return names;
}

DiskResult<void> PowerLossVfs::make_folder(const std::string& folder) {
  const std::lock_guard lock(mutex_);
  if (names_.contains(folder)) return disk_error("make folder", folder, std::errc::not_a_directory);
  if (!folders_.contains(folder_of(folder))) {
    return disk_error("make folder", folder, std::errc::no_such_file_or_directory);
  }
  if (fails()) return disk_error("make folder", folder, fail_with_);
  folders_.insert(folder);
  return {};
}

DiskResult<void> PowerLossVfs::sync_folder(const std::string& folder) {
  const std::lock_guard lock(mutex_);
  if (!folders_.contains(folder)) return disk_error("sync", folder, std::errc::no_such_file_or_directory);
  if (fails()) return disk_error("sync", folder, fail_with_);
  for (const Change& change : unsynced_names_) {
    if (change.folder == folder) apply(synced_names_, change);
  }
  std::erase_if(unsynced_names_, [&](const Change& change) { return change.folder == folder; });
  return {};
}

}  // namespace wherry::broker
