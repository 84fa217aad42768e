// Reads a log back: which records count, what was cut, what is damaged. The rules are in docs/store-format.md,
// "Recovery".
//
// Reads only; nothing on the disk is changed. Memory: one log file at a time. Threads: any one. Errors: a DiskError
// when a file cannot be read, or is of a newer version (std::errc::not_supported). Damage is no error: it is in the
// result, and everything around it counts.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "broker/store/log_format.h"
#include "broker/store/vfs.h"

namespace wherry::broker {

// Something that had to be there and is not. Without LSNs (last_lsn < first_lsn) nothing but a spare copy was hit.
struct LogDamage {
  std::string file;
  std::uint64_t begin = 0;  // Bytes [begin, end) of the file.
  std::uint64_t end = 0;
  std::uint64_t first_lsn = 1;  // Records lost: first_lsn to last_lsn.
  std::uint64_t last_lsn = 0;
};

struct LogContents {
  struct LogFile {
    std::uint64_t sequence = 0;
    std::uint64_t size_bytes = 0;
    std::uint64_t last_lsn = 0;  // No record of the file that counts has a greater one.
  };
  std::vector<LogFile> files;  // In order, those with a damaged header too.
  std::vector<LogDamage> damage;
  std::uint64_t last_lsn = 0;     // The last record that counts, or that had to be there.
  std::uint64_t highest_lsn = 0;  // Of any batch, even of one that was cut: an LSN up to here is never used again.
};

// "0000000000000007.log"
std::string log_file_name(std::uint64_t sequence);

// Calls `each` once for every record that counts, in order of LSNs. Views live during the call.
DiskResult<LogContents> read_log(Vfs& disk, const std::string& folder,
                                 const std::function<void(const LogRecord&)>& each);

}  // namespace wherry::broker
