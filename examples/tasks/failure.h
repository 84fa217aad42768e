// What can go wrong outside: whether trying again may help decides between a retry and the dead-letter queue.
#pragma once

#include <stdexcept>
#include <string>

namespace examples {

// The other side is away or busy: the same may work later.
class TemporaryFailure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// It will never work: no such file, an address that the server refuses for good.
class PermanentFailure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace examples
