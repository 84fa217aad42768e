// One rotated file for each severity, in one folder: error.log, warning.log, info.log, debug.log.
//
// Limits: files of max_bytes, keep old ones beside each. Threads: any. Errors: PermanentFailure for a severity that
// there is not, std::system_error for a folder that cannot be written to.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "examples/tasks/rotating_file.h"
#include "examples/tasks/tasks.h"

namespace examples {

class LogFiles {
 public:
  LogFiles(std::filesystem::path folder, std::int64_t max_bytes, int keep);

  // Writes one line: now, severity, service, message, and when, as which task and in which attempt it was sent.
  void write(const RecordLog& record, const std::string& task_id, unsigned attempt);

 private:
  RotatingFile& file_for(std::string_view severity);

  const std::filesystem::path folder_;
  const std::int64_t max_bytes_;
  const int keep_;
  std::mutex mutex_;
  std::map<std::string, std::unique_ptr<RotatingFile>, std::less<>> files_;
};

}  // namespace examples
