// Settings files, read as the programs read them, and held against each other: what is wrong with them, and what is
// odd.
//
//   for (const CheckedFile& file : check_config({{"worker.yaml"}}, process_environment())) ...;
//
// A file that another one names (a worker's app and schedule) is checked too. A mistake is what keeps a program from
// starting. A warning is what may be meant: a route to a queue that nobody declares, which will be made durable and
// without arguments; a library that is not there. What only a running program can find out (an address in use, a result
// store that does not answer) is not looked for.
//
// Threads: plain functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/yaml.h"

namespace wherry::broker::ctl {

enum class FileKind { broker, app, worker, schedule };
std::string_view name_of(FileKind kind);
std::optional<FileKind> parse_file_kind(std::string_view name);

struct FileNote {
  std::string place;  // "FILE:LINE:COLUMN", a variable's name, or the file alone.
  int line = 0;       // 0: not in the file.
  int column = 0;
  std::string text;
};

struct CheckedFile {
  std::string path;
  std::optional<FileKind> kind = {};  // None: it cannot be told, which is a mistake.
  std::vector<FileNote> mistakes = {};
  std::vector<FileNote> warnings = {};
};

struct FileToCheck {
  std::string path;
  std::optional<FileKind> kind = {};  // None: by its keys, else by its name.
};

// In the order given, then those that they name.
std::vector<CheckedFile> check_config(std::vector<FileToCheck> files, const Environment& environment);

}  // namespace wherry::broker::ctl
