// Quarantine: copies of damaged ranges, kept for whoever wants to look, before the file they lie in goes its way.
//
// Blocks on the disk. Threads: any, one at a time. Errors: none: a copy that cannot be made is said in the log.
// Limits: 1 MiB of a range is copied.
#pragma once

#include <cstdint>
#include <string>

#include "broker/store/vfs.h"

namespace wherry::broker {

// Copies bytes [begin, end) of a file to FOLDER/NAME-BEGIN; a copy that is there already stays. Returns its path, empty
// when there is none.
std::string quarantine(Vfs& disk, const std::string& folder, const std::string& file, std::uint64_t begin,
                       std::uint64_t end);

}  // namespace wherry::broker
