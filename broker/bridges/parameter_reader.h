// ParameterReader: the keys of one parameter's value, each taken once; what is left over is a mistake.
//
//   ParameterReader reader(table, "shovel");
//   auto queue = reader.text({"src-queue"});
//   auto count = reader.integer({"src-prefetch-count", "prefetch-count"}, 0, 65'535);   // its name, and an older one
//   if (auto fault = reader.done(); !fault.empty()) ...                                 // the first that was found
//
// Errors name the key and what it should be; they show the value but where it may hold a password. Threads: one at a
// time. Lifetime: the table outlives it.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "broker/bridges/parameters.h"

namespace wherry::broker::bridges {

class ParameterReader {
 public:
  ParameterReader(const amqp::Table& table, std::string_view component) : table_(table), component_(component) {}

  // Null where none of the names is there. Two of them are a mistake.
  const amqp::FieldValue* take(std::initializer_list<const char*> names);
  std::optional<std::string> text(std::initializer_list<const char*> names);
  std::optional<std::int64_t> integer(std::initializer_list<const char*> names, std::int64_t least, std::int64_t most);
  std::optional<bool> boolean(std::initializer_list<const char*> names);
  amqp::Table table(std::initializer_list<const char*> names);
  amqp::Properties properties(std::initializer_list<const char*> names);
  // One URI or a list of them; they have to be there.
  std::vector<BridgeUri> uris(const char* name, std::string_view vhost);
  // amqp091 is the only one.
  void protocol(const char* name);

  // A fault that the caller has found.
  void fail(std::string fault);
  void refuse(std::string_view key, std::string_view wanted);
  // The first fault; empty when there is none and every key was taken.
  std::string done();

 private:
  const amqp::Table& table_;
  const std::string component_;
  std::set<std::string, std::less<>> taken_;
  std::string fault_;
};

}  // namespace wherry::broker::bridges
