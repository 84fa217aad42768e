// JsonLine: one flat JSON object on one line, keys in the order they are added.
//
//   JsonLine line;  line.text("command", "ping").count("delivered", 12).number("seconds", 1.5);  puts(line.str())
//
// Numbers keep four significant digits below 1000 and none behind the point above: what is measured is no more exact.
// Text: control characters and invalid UTF-8 are the caller's to keep out, quotes and backslashes are escaped.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace wherry::perf {

class JsonLine {
 public:
  JsonLine& text(std::string_view key, std::string_view value);
  JsonLine& number(std::string_view key, double value);
  JsonLine& count(std::string_view key, std::uint64_t value);
  JsonLine& flag(std::string_view key, bool value);
  std::string str() const { return "{" + fields_ + "}"; }

 private:
  void add(std::string_view key, std::string_view value);
  std::string fields_;
};

}  // namespace wherry::perf
