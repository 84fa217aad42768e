// A log file that is rotated when it reaches its limit: app.log, app.log.1 (younger), app.log.2, ...
//
// A line is written with one write() to a file opened for appending: no reader sees half a line. A file belongs to one
// process, because others would not hear of its rotation. Errors: std::system_error with the path. Threads: any.
#pragma once

#include <cstdint>
#include <filesystem>
#include <mutex>
#include <string_view>

namespace examples {

class RotatingFile {
 public:
  // Makes the folder when it is missing. keep: how many rotated files stay beside the current one.
  RotatingFile(std::filesystem::path path, std::int64_t max_bytes, int keep);
  ~RotatingFile();
  RotatingFile(const RotatingFile&) = delete;
  RotatingFile& operator=(const RotatingFile&) = delete;

  // Adds the line break. A line longer than max_bytes is written whole, into a file of its own.
  void write_line(std::string_view line);

 private:
  void open();
  void rotate();

  const std::filesystem::path path_;
  const std::int64_t max_bytes_;
  const int keep_;
  std::mutex mutex_;
  int fd_ = -1;
  std::int64_t size_ = 0;
};

}  // namespace examples
