// Json: a JSON text written from front to back.
//
//   Json json;
//   json.object().key("file").text(path).key("bytes").number(12).key("lost").array(). ... .end().end();
//   puts(json.str().c_str());
//
// Threads: one at a time. Calls in an order that makes no JSON make none. Bytes that are no UTF-8 become U+FFFD.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace wherry {

class Json {
 public:
  Json& object() { return open('{', '}'); }
  Json& array() { return open('[', ']'); }
  Json& end();
  Json& key(std::string_view name);
  Json& text(std::string_view value);
  Json& number(std::uint64_t value);
  Json& flag(bool value);
  Json& null();
  const std::string& str() const { return out_; }

 private:
  Json& open(char begin, char end);
  void comma();
  void quote(std::string_view value);

  std::string out_;
  std::string open_;  // What closes what is open, innermost last.
  bool first_ = true;
};

std::string base64(std::string_view bytes);

}  // namespace wherry
