// Result<T>: a value, or an Error that says what went wrong. For what the world does to us; our own bugs are
// asserts (base/assert.h). tl::expected today, std::expected when the compilers we support have it.
#pragma once

#include <string>

#include <tl/expected.hpp>

namespace wherry {

struct Error {
  std::string message;  // One sentence for a person, with what to do next where there is something to do.
};

template <class T, class E = Error>
using Result = tl::expected<T, E>;

inline tl::unexpected<Error> fail(std::string message) {
  return tl::unexpected<Error>(Error{std::move(message)});
}

}  // namespace wherry
