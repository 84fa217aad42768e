#include "examples/tasks/rotating_file.h"

#include <cerrno>
#include <string>
#include <system_error>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace examples {

namespace {
[[noreturn]] void fail(const std::filesystem::path& path) {
  throw std::system_error(errno, std::generic_category(), path.string());
}
}  // namespace

RotatingFile::RotatingFile(std::filesystem::path path, std::int64_t max_bytes, int keep)
    : path_(std::move(path)), max_bytes_(max_bytes), keep_(keep) {
  if (path_.has_parent_path()) std::filesystem::create_directories(path_.parent_path());
  open();
}

RotatingFile::~RotatingFile() {
  if (fd_ >= 0) ::close(fd_);
}

void RotatingFile::open() {
  fd_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (fd_ < 0) fail(path_);
  struct stat info {};
  size_ = ::fstat(fd_, &info) == 0 ? info.st_size : 0;
}

void RotatingFile::rotate() {
  ::close(fd_);
  fd_ = -1;
  const auto numbered = [this](int number) {
    return std::filesystem::path(path_.string() + "." + std::to_string(number));
  };
  std::error_code missing;  // Not all of them are there at first.
  if (keep_ > 0) {
    std::filesystem::remove(numbered(keep_), missing);
    for (int number = keep_ - 1; number >= 1; --number) {
      std::filesystem::rename(numbered(number), numbered(number + 1), missing);
    }
    std::filesystem::rename(path_, numbered(1));
  } else {
    std::filesystem::remove(path_, missing);
  }
  open();
}

void RotatingFile::write_line(std::string_view line) {
  std::string text(line);
  text.push_back('\n');
  std::lock_guard lock(mutex_);
  // After an error that left no file open, the next line tries again.
  if (fd_ < 0) open();
  if (size_ > 0 && size_ + static_cast<std::int64_t>(text.size()) > max_bytes_) rotate();
  std::string_view left = text;
  while (!left.empty()) {
    const ssize_t written = ::write(fd_, left.data(), left.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail(path_);
    left.remove_prefix(static_cast<std::size_t>(written));
    size_ += written;
  }
}

}  // namespace examples
