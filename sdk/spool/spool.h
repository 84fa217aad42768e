// Spool: a bounded queue of records in files, for what cannot be sent now. Survives the end of the program; what was
// torn as it was written is cut off. Format and its rules: docs/spool-format.md.
//
//   auto spool = Spool::open({.folder = "/var/spool/mailer"});
//   spool->append(payload);                        // Returns when it is on the disk.
//   while (auto record = spool->next()) send(*record, [&] { spool->done(record->number); });
//   spool->rewind();                               // What is not done comes again.
//
// Order: next() gives records as they were appended. done() in any order.
// Errors: one sentence with the path. After an append that failed the file is as before.
// Threads: any; calls exclude each other, append() for as long as a sync takes. Lifetime: one Spool a folder, in all
// processes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace wherry::sdk {

class Spool {
 public:
  struct Options {
    std::string folder = {};                // Made when it is missing; its parent must be there.
    std::uint64_t max_bytes = 64ull << 20;  // Of all segments together.
    std::uint64_t segment_bytes = 1u << 20;
  };
  struct Record {
    std::uint64_t number = 0;  // From 1.
    std::string payload = {};
  };
  static Result<std::unique_ptr<Spool>> open(Options options);
  ~Spool();

  enum class Appended { yes, full };
  Result<Appended> append(std::string_view payload);
  // The next record that was not given since the last rewind(), and is not done; none: all were. Errors: the disk's.
  Result<std::optional<Record>> next();
  void done(std::uint64_t number);
  // Done, and kept for people.
  Result<void> set_aside(const Record& record);
  void rewind();
  // Not done yet.
  std::uint64_t size() const;

 private:
  class Files;
  explicit Spool(std::unique_ptr<Files> files);
  std::unique_ptr<Files> files_;
};

}  // namespace wherry::sdk
