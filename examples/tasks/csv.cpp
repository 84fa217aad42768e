#include "examples/tasks/csv.h"

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "examples/tasks/failure.h"

namespace examples {

namespace {
constexpr std::size_t kBufferBytes = 256 * 1024;
constexpr std::size_t kMaxRowBytes = 64 * 1024 * 1024;
constexpr int kEnd = -1;
}  // namespace

CsvReader::CsvReader(const std::string& path, char separator)
    : path_(path), separator_(separator), buffer_(kBufferBytes) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) throw PermanentFailure(path + ": is a directory");
  errno = 0;
  file_.open(path, std::ios::binary);
  if (!file_) throw PermanentFailure(path + ": " + std::strerror(errno ? errno : EIO));
  const auto size = std::filesystem::file_size(path, error);
  bytes_in_all_ = error ? 0 : static_cast<std::int64_t>(size);
  if (fill() && end_ >= 3 && std::memcmp(buffer_.data(), "\xef\xbb\xbf", 3) == 0) at_ = 3, bytes_read_ = 3;
}

bool CsvReader::fill() {
  file_.read(buffer_.data(), static_cast<std::streamsize>(buffer_.size()));
  if (file_.bad()) throw TemporaryFailure(path_ + ": cannot be read to its end");
  at_ = 0;
  end_ = static_cast<std::size_t>(file_.gcount());
  return end_ > 0;
}

int CsvReader::peek() {
  if (at_ == end_ && !fill()) return kEnd;
  return static_cast<unsigned char>(buffer_[at_]);
}

int CsvReader::get() {
  const int c = peek();
  if (c != kEnd) ++at_, ++bytes_read_;
  return c;
}

bool CsvReader::next(std::vector<std::string>& row) {
  while (peek() == '\n' || peek() == '\r') get();
  if (peek() == kEnd) return false;

  // The strings of the row before are used again: reading a file allocates for its longest row only.
  std::size_t cells = 0;
  std::size_t bytes = 0;
  const auto new_cell = [&]() -> std::string& {
    if (cells == row.size()) row.emplace_back();
    row[cells].clear();
    return row[cells++];
  };
  std::string* cell = &new_cell();
  bool quoted = false;
  bool at_start = true;
  for (;;) {
    const int c = get();
    if (++bytes > kMaxRowBytes) throw PermanentFailure(path_ + ": a row of more than 64 MiB");
    if (quoted) {
      if (c == kEnd) break;
      if (c != '"') {
        cell->push_back(static_cast<char>(c));
      } else if (peek() == '"') {
        cell->push_back(static_cast<char>(get()));
      } else {
        quoted = false;
      }
      continue;
    }
    if (c == kEnd || c == '\n') break;
    if (c == '\r' && peek() == '\n') continue;
    if (c == static_cast<unsigned char>(separator_)) {
      cell = &new_cell();
      at_start = true;
    } else if (c == '"' && at_start) {
      quoted = true;
      at_start = false;
    } else {
      cell->push_back(static_cast<char>(c));
      at_start = false;
    }
  }
  row.resize(cells);
  return true;
}

}  // namespace examples
