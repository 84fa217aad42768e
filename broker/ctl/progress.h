// Progress: a bar on standard error that shows how far a command is. Nothing where standard error is no terminal.
//
//   Progress progress("verify", total);   progress.add(bytes);   // taken away again by the destructor
//
// Threads: one.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace wherry::broker {

class Progress {
 public:
  // unit: what is counted; empty: bytes.
  Progress(std::string what, std::uint64_t total, std::string unit = {});
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  void add(std::uint64_t more);

  // "verify [=========>          ]  48 %  1.2 GiB"
  static std::string bar(const std::string& what, std::uint64_t done, std::uint64_t total,
                         const std::string& unit = {});

 private:
  const std::string what_;
  const std::uint64_t total_;
  const std::string unit_;
  std::uint64_t done_ = 0;
  bool on_ = false;
  std::chrono::steady_clock::time_point shown_{};
};

// "1.2 GiB", "17 bytes"
std::string size_text(std::uint64_t bytes);

}  // namespace wherry::broker
