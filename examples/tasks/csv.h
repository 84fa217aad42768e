// Reading a CSV file row by row, as RFC 4180 has it: quoted cells may hold separators, line breaks and doubled quotes.
//
// Memory: one row. Limits: 64 MiB a row. A quote inside an unquoted cell is taken as it stands, and a file may end
// inside a quoted cell: real files do both. A byte order mark at the start is skipped.
// Threads: one at a time.
#pragma once

#include <cstdint>
#include <fstream>
#include <string>
#include <vector>

namespace examples {

class CsvReader {
 public:
  // Throws PermanentFailure when the file cannot be read.
  CsvReader(const std::string& path, char separator);

  // The next row's cells, in row's own memory; false at the end. Empty lines are skipped. Throws PermanentFailure for a
  // row over the limit, TemporaryFailure when reading fails.
  bool next(std::vector<std::string>& row);

  std::int64_t bytes_read() const { return bytes_read_; }
  std::int64_t bytes_in_all() const { return bytes_in_all_; }

 private:
  int get();
  int peek();
  bool fill();

  std::string path_;
  char separator_;
  std::ifstream file_;
  std::vector<char> buffer_;
  std::size_t at_ = 0;
  std::size_t end_ = 0;
  std::int64_t bytes_read_ = 0;  // Without what is still in the buffer.
  std::int64_t bytes_in_all_ = 0;
};

}  // namespace examples
