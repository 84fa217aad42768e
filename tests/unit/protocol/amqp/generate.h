// Random methods, tables and properties from a seed, so that a failure can be run again.
#pragma once

#include <deque>
#include <random>
#include <string>

#include "base/reflect.h"
#include "protocol/amqp/methods.h"
#include "protocol/amqp/properties.h"
#include "protocol/amqp/table.h"

namespace wherry::amqp::test {

class Generator {
 public:
  explicit Generator(std::uint64_t seed) : engine_(seed) {}

  std::uint64_t number() { return engine_(); }
  std::size_t below(std::size_t limit) { return limit == 0 ? 0 : engine_() % limit; }
  bool coin() { return engine_() & 1; }
  std::string bytes(std::size_t size);
  std::string text(std::size_t longest) { return bytes(below(longest + 1)); }

  FieldValue value(int depth);
  Table table(int depth);
  Properties properties();

  // The alternative of that place in Method, with random fields. Its views live as long as the generator.
  Method method(std::size_t place);
  Method method() { return method(below(std::variant_size_v<Method>)); }

 private:
  std::string_view keep(std::string text) { return kept_.emplace_back(std::move(text)); }
  template <class T>
  void fill(T& field);
  template <class M>
  M make();

  std::mt19937_64 engine_;
  std::deque<std::string> kept_;
};

// A new seed each run, or WHERRY_SEED from the environment.
std::uint64_t seed();

}  // namespace wherry::amqp::test
