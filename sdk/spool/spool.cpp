#include "sdk/spool/spool.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/log.h"

namespace wherry::sdk {

namespace {

constexpr std::string_view segment_magic = "WHSPOOL1";
constexpr std::uint64_t segment_header_bytes = 16;
constexpr std::uint64_t record_header_bytes = 8;
constexpr std::uint32_t most_payload_bytes = 128u << 20;

template <class T>
void put_little(std::string& out, T value) {
  for (std::size_t i = 0; i < sizeof value; ++i) out += static_cast<char>(value >> (8 * i) & 0xff);
}
template <class T>
T get_little(std::string_view from) {
  T value = 0;
  for (std::size_t i = 0; i < sizeof value; ++i) value |= static_cast<T>(static_cast<std::uint8_t>(from[i])) << (8 * i);
  return value;
}

std::string segment_header(std::uint64_t first) {
  std::string out(segment_magic);
  put_little(out, first);
  return out;
}

std::string record_bytes(std::string_view payload) {
  std::string out;
  out.reserve(record_header_bytes + payload.size());
  put_little(out, static_cast<std::uint32_t>(payload.size()));
  put_little(out, crc32c_extend(crc32c(out), payload));
  out += payload;
  return out;
}

tl::unexpected<Error> system_error(const std::string& path, std::string_view what) {
  return fail(fmt::format("{}: {}: {}", path, what, std::strerror(errno)));
}

}  // namespace

// A file descriptor that closes itself.
class SpoolFile {
 public:
  SpoolFile() = default;
  explicit SpoolFile(int descriptor) : descriptor_(descriptor) {}
  SpoolFile(SpoolFile&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  SpoolFile& operator=(SpoolFile&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  ~SpoolFile() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  int get() const { return descriptor_; }
  explicit operator bool() const { return descriptor_ >= 0; }

 private:
  int descriptor_ = -1;
};

namespace {

bool write_at(const SpoolFile& file, std::string_view bytes, std::uint64_t offset) {
  while (!bytes.empty()) {
    const auto written = ::pwrite(file.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(written));
    offset += static_cast<std::uint64_t>(written);
  }
  return true;
}

// What there is, up to so many bytes; none: the disk's error.
std::optional<std::string> read_at(const SpoolFile& file, std::uint64_t offset, std::size_t size) {
  std::string out(size, '\0');
  std::size_t got = 0;
  while (got < size) {
    const auto count = ::pread(file.get(), out.data() + got, size - got, static_cast<off_t>(offset + got));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return std::nullopt;
    if (count == 0) break;
    got += static_cast<std::size_t>(count);
  }
  out.resize(got);
  return out;
}

}  // namespace

class Spool::Files {
 public:
  explicit Files(Options options) : options_(std::move(options)) {}

  Result<void> open();
  Result<Appended> append(std::string_view payload);
  Result<std::optional<Record>> next();
  void done(std::uint64_t number);
  Result<void> set_aside(const Record& record);

  void rewind() {
    std::lock_guard lock(mutex_);
    reading_ = head_;
    read_offset_ = 0;
  }
  std::uint64_t size() const {
    std::lock_guard lock(mutex_);
    return next_number_ - head_ - done_.size();
  }

 private:
  struct Segment {
    SpoolFile file;
    std::uint64_t first = 1;
    std::uint64_t bytes = segment_header_bytes;
    std::uint64_t records = 0;
  };

  std::string path(const std::string& name) const { return options_.folder + "/" + name; }
  std::string segment_path(std::uint64_t first) const { return path(fmt::format("{:016x}.spool", first)); }
  Result<std::vector<std::uint64_t>> list_segments() const;
  Result<void> read_segment(std::uint64_t first, bool is_last);
  Result<void> add_segment();
  Result<void> sync_folder() const;
  void read_head();
  void write_head();
  void drop_done_segments();
  // None: nothing whole is there.
  Result<std::optional<std::string>> read_record(const Segment& segment, std::uint64_t offset) const;

  const Options options_;
  mutable std::mutex mutex_;
  SpoolFile lock_;
  SpoolFile head_file_;
  std::map<std::uint64_t, Segment> segments_;  // By the number of their first record.
  std::uint64_t bytes_ = 0;
  std::uint64_t next_number_ = 1;
  std::uint64_t head_ = 1;         // The first that is not done.
  std::set<std::uint64_t> done_;   // Behind the head.
  std::uint64_t reading_ = 1;      // The next to be given.
  std::uint64_t read_offset_ = 0;  // Of that in its segment; 0: to be looked for.
};

Result<void> Spool::Files::open() {
  if (::mkdir(options_.folder.c_str(), 0700) != 0 && errno != EEXIST) {
    return system_error(options_.folder, "cannot make the spool's folder");
  }
  lock_ = SpoolFile(::open(path("lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock_) return system_error(path("lock"), "cannot open it");
  if (::flock(lock_.get(), LOCK_EX | LOCK_NB) != 0) {
    return fail(fmt::format("{}: another program has this spool", options_.folder));
  }
  auto found = list_segments();
  if (!found) return tl::unexpected(found.error());
  for (std::size_t i = 0; i < found->size(); ++i) {
    if (i > 0 && (*found)[i] != next_number_) {
      return fail(fmt::format("{}: the records before it are missing", segment_path((*found)[i])));
    }
    if (auto read = read_segment((*found)[i], i + 1 == found->size()); !read) return read;
  }
  head_file_ = SpoolFile(::open(path("head").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!head_file_) return system_error(path("head"), "cannot open it");
  head_ = segments_.empty() ? 1 : segments_.begin()->first;
  read_head();
  // Nothing is there, but a head that is further: numbers never come twice.
  next_number_ = std::max(next_number_, head_);
  drop_done_segments();
  reading_ = head_;
  return sync_folder();
}

Result<std::vector<std::uint64_t>> Spool::Files::list_segments() const {
  std::vector<std::uint64_t> found;
  std::error_code error;
  for (const auto& each : std::filesystem::directory_iterator(options_.folder, error)) {
    const std::string name = each.path().filename().string();
    const bool is_segment =
        name.size() == 22 && name.ends_with(".spool") && name.find_first_not_of("0123456789abcdef") == 16;
    if (is_segment) found.push_back(std::stoull(name, nullptr, 16));
  }
  if (error) return fail(fmt::format("{}: {}", options_.folder, error.message()));
  std::sort(found.begin(), found.end());
  return found;
}

Result<void> Spool::Files::read_segment(std::uint64_t first, bool is_last) {
  const std::string file = segment_path(first);
  Segment segment{.file = SpoolFile(::open(file.c_str(), O_RDWR | O_CLOEXEC)), .first = first};
  if (!segment.file) return system_error(file, "cannot open it");
  const auto header = read_at(segment.file, 0, segment_header_bytes);
  if (!header) return system_error(file, "cannot read it");
  if (*header != segment_header(first)) {
    // The program died as it made the file: there is nothing in it.
    if (!is_last || !segment_header(first).starts_with(*header)) {
      return fail(fmt::format("{}: it is no segment of a spool", file));
    }
    if (!write_at(segment.file, segment_header(first), 0)) return system_error(file, "cannot write it");
  }
  next_number_ = first;
  for (;;) {
    auto payload = read_record(segment, segment.bytes);
    if (!payload) return tl::unexpected(payload.error());
    if (!*payload) break;
    segment.bytes += record_header_bytes + (*payload)->size();
    ++segment.records;
    ++next_number_;
  }
  struct stat status = {};
  if (::fstat(segment.file.get(), &status) != 0) return system_error(file, "cannot read it");
  if (static_cast<std::uint64_t>(status.st_size) > segment.bytes) {
    if (!is_last) return fail(fmt::format("{}: damaged at byte {}", file, segment.bytes));
    log::warning("sdk", "{}: cut at byte {}, where the program ended as it wrote", file, segment.bytes);
    if (::ftruncate(segment.file.get(), static_cast<off_t>(segment.bytes)) != 0 ||
        ::fdatasync(segment.file.get()) != 0) {
      return system_error(file, "cannot cut it");
    }
  }
  bytes_ += segment.bytes;
  segments_.emplace(first, std::move(segment));
  return {};
}

Result<std::optional<std::string>> Spool::Files::read_record(const Segment& segment, std::uint64_t offset) const {
  const auto header = read_at(segment.file, offset, record_header_bytes);
  if (!header) return system_error(segment_path(segment.first), "cannot read it");
  if (header->size() < record_header_bytes) return std::nullopt;
  const auto size = get_little<std::uint32_t>(*header);
  if (size > most_payload_bytes) return std::nullopt;
  auto payload = read_at(segment.file, offset + record_header_bytes, size);
  if (!payload) return system_error(segment_path(segment.first), "cannot read it");
  const auto sum = crc32c_extend(crc32c(std::string_view(*header).substr(0, 4)), *payload);
  if (payload->size() < size || sum != get_little<std::uint32_t>(std::string_view(*header).substr(4))) {
    return std::nullopt;
  }
  return std::move(*payload);
}

Result<void> Spool::Files::sync_folder() const {
  const SpoolFile folder(::open(options_.folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder || ::fsync(folder.get()) != 0) return system_error(options_.folder, "cannot sync it");
  return {};
}

Result<void> Spool::Files::add_segment() {
  const std::string file = segment_path(next_number_);
  Segment segment{.file = SpoolFile(::open(file.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)),
                  .first = next_number_};
  if (!segment.file || !write_at(segment.file, segment_header(next_number_), 0)) {
    return system_error(file, "cannot write it");
  }
  if (auto synced = sync_folder(); !synced) return synced;
  bytes_ += segment.bytes;
  segments_.emplace(next_number_, std::move(segment));
  return {};
}

Result<Spool::Appended> Spool::Files::append(std::string_view payload) {
  std::lock_guard lock(mutex_);
  const std::uint64_t size = record_header_bytes + payload.size();
  if (payload.size() > most_payload_bytes || bytes_ + size > options_.max_bytes) return Appended::full;
  if (segments_.empty() || segments_.rbegin()->second.bytes >= options_.segment_bytes) {
    if (auto added = add_segment(); !added) return tl::unexpected(added.error());
  }
  Segment& last = segments_.rbegin()->second;
  if (!write_at(last.file, record_bytes(payload), last.bytes) || ::fdatasync(last.file.get()) != 0) {
    auto error = system_error(segment_path(last.first), "cannot write it");
    // A record that nobody was told of must not come up later. Where this fails too, its place is written over next.
    if (::ftruncate(last.file.get(), static_cast<off_t>(last.bytes)) != 0) {
      log::error("sdk", "{}: cannot cut it: {}", segment_path(last.first), std::strerror(errno));
    }
    return error;
  }
  last.bytes += size;
  ++last.records;
  bytes_ += size;
  ++next_number_;
  return Appended::yes;
}

Result<std::optional<Spool::Record>> Spool::Files::next() {
  std::lock_guard lock(mutex_);
  while (reading_ < next_number_) {
    auto at = std::prev(segments_.upper_bound(reading_));
    Segment& segment = at->second;
    if (read_offset_ == 0) {
      read_offset_ = segment_header_bytes;
      for (std::uint64_t i = segment.first; i < reading_; ++i) {
        auto skipped = read_record(segment, read_offset_);
        if (!skipped) return tl::unexpected(skipped.error());
        if (!*skipped) return fail(fmt::format("{}: damaged at byte {}", segment_path(segment.first), read_offset_));
        read_offset_ += record_header_bytes + (*skipped)->size();
      }
    }
    auto payload = read_record(segment, read_offset_);
    if (!payload) return tl::unexpected(payload.error());
    if (!*payload) return fail(fmt::format("{}: damaged at byte {}", segment_path(segment.first), read_offset_));
    const std::uint64_t number = reading_++;
    read_offset_ += record_header_bytes + (*payload)->size();
    if (reading_ == segment.first + segment.records) read_offset_ = 0;
    if (!done_.contains(number)) return Record{number, std::move(**payload)};
  }
  return std::nullopt;
}

void Spool::Files::done(std::uint64_t number) {
  std::lock_guard lock(mutex_);
  if (number < head_ || number >= next_number_) return;
  done_.insert(number);
  const std::uint64_t before = head_;
  while (!done_.empty() && *done_.begin() == head_) {
    done_.erase(done_.begin());
    ++head_;
  }
  if (head_ == before) return;
  write_head();
  drop_done_segments();
}

void Spool::Files::drop_done_segments() {
  while (!segments_.empty()) {
    const Segment& first = segments_.begin()->second;
    const bool is_done = first.first + first.records <= head_ && first.records > 0;
    if (!is_done) return;
    // Without the head a last segment that is gone would let its numbers come again.
    if (segments_.size() == 1 && ::fdatasync(head_file_.get()) != 0) return;
    if (::unlink(segment_path(first.first).c_str()) != 0) return;
    bytes_ -= first.bytes;
    segments_.erase(segments_.begin());
    if (reading_ < head_) {
      reading_ = head_;
      read_offset_ = 0;
    }
  }
}

void Spool::Files::read_head() {
  const auto bytes = read_at(head_file_, 0, 12);
  if (!bytes || bytes->size() < 12) return;
  const std::string_view text = *bytes;
  if (get_little<std::uint32_t>(text.substr(8)) != crc32c(text.substr(0, 8))) return;
  const auto number = get_little<std::uint64_t>(text);
  // A head beyond what is there belongs to records that the machine lost.
  if (segments_.empty() || number <= next_number_) head_ = std::max(head_, number);
}

void Spool::Files::write_head() {
  std::string bytes;
  put_little(bytes, head_);
  put_little(bytes, crc32c(bytes));
  if (!write_at(head_file_, bytes, 0))
    log::warning("sdk", "{}: cannot write it: {}", path("head"), std::strerror(errno));
}

Result<void> Spool::Files::set_aside(const Record& record) {
  {
    std::lock_guard lock(mutex_);
    const std::string file = path("set-aside.spool");
    const SpoolFile aside(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    struct stat status = {};
    if (!aside || ::fstat(aside.get(), &status) != 0) return system_error(file, "cannot open it");
    std::string bytes = status.st_size == 0 ? segment_header(0) : "";
    bytes += record_bytes(record.payload);
    if (!write_at(aside, bytes, static_cast<std::uint64_t>(status.st_size)) || ::fdatasync(aside.get()) != 0) {
      return system_error(file, "cannot write it");
    }
  }
  done(record.number);
  return {};
}

Spool::Spool(std::unique_ptr<Files> files) : files_(std::move(files)) {}
Spool::~Spool() = default;

Result<std::unique_ptr<Spool>> Spool::open(Options options) {
  auto files = std::make_unique<Files>(std::move(options));
  if (auto opened = files->open(); !opened) return tl::unexpected(opened.error());
  return std::unique_ptr<Spool>(new Spool(std::move(files)));
}

Result<Spool::Appended> Spool::append(std::string_view payload) {
  return files_->append(payload);
}
Result<std::optional<Spool::Record>> Spool::next() {
  return files_->next();
}
void Spool::done(std::uint64_t number) {
  files_->done(number);
}
Result<void> Spool::set_aside(const Record& record) {
  return files_->set_aside(record);
}
void Spool::rewind() {
  files_->rewind();
}
std::uint64_t Spool::size() const {
  return files_->size();
}

}  // namespace wherry::sdk
