// Random Values for property tests: everything both serializers can carry.
#pragma once

#include <random>

#include "protocol/task/value.h"

namespace wherry::task {

Value random_value(std::mt19937_64& random, unsigned depth = 4);

}  // namespace wherry::task
