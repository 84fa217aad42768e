#include "examples/tasks/csv.h"

#include <catch2/catch.hpp>

#include "examples/tasks/failure.h"
#include "tests/unit/examples/scratch.h"

using Rows = std::vector<std::vector<std::string>>;

static Rows read_all(const std::string& path, char separator = ',') {
  examples::CsvReader reader(path, separator);
  Rows rows;
  std::vector<std::string> row;
  while (reader.next(row)) rows.push_back(row);
  CHECK(reader.bytes_read() == reader.bytes_in_all());
  return rows;
}

static Rows parsed(std::string_view text, char separator = ',') {
  const Scratch scratch;
  return read_all(scratch.write("table.csv", text), separator);
}

TEST_CASE("plain rows are cut at separators and line ends") {
  CHECK(parsed("a,b\n1,2\n") == Rows{{"a", "b"}, {"1", "2"}});
  CHECK(parsed("a,b\r\n1,2\r\n") == Rows{{"a", "b"}, {"1", "2"}});
  CHECK(parsed("a;b,c\n", ';') == Rows{{"a", "b,c"}});
}

TEST_CASE("a quoted cell holds separators, line breaks and doubled quotes") {
  CHECK(parsed("\"a,b\",\"line 1\nline 2\",\"say \"\"hi\"\"\"\n") == Rows{{"a,b", "line 1\nline 2", "say \"hi\""}});
  CHECK(parsed("\"\",x\n") == Rows{{"", "x"}});
}

TEST_CASE("empty cells are cells, empty lines are no rows") {
  CHECK(parsed(",\n\n\nx,\n") == Rows{{"", ""}, {"x", ""}});
}

TEST_CASE("the last row needs no line break, and may end inside quotes") {
  CHECK(parsed("a\nb") == Rows{{"a"}, {"b"}});
  CHECK(parsed("a,\"b") == Rows{{"a", "b"}});
  CHECK(parsed("") == Rows{});
}

TEST_CASE("a byte order mark is no part of the first name") {
  CHECK(parsed("\xef\xbb\xbfname\n") == Rows{{"name"}});
}

TEST_CASE("a row longer than the buffer stays whole") {
  const std::string big(700'000, 'x');
  CHECK(parsed("a," + big + "\n\"" + big + "\",b\n") == Rows{{"a", big}, {big, "b"}});
}

TEST_CASE("a file that is not there fails for good and says so") {
  CHECK_THROWS_AS(read_all("/nowhere/table.csv"), examples::PermanentFailure);
  CHECK_THROWS_WITH(read_all("/nowhere/table.csv"), "/nowhere/table.csv: No such file or directory");
  CHECK_THROWS_WITH(read_all("/tmp"), "/tmp: is a directory");
}
