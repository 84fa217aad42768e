// Plain data as Python's pickle has it, which is how Celery's database backend keeps results (SQLAlchemy's PickleType).
//
// Written: protocol 3, which every Python 3 reads. Read: protocols 2 to 5, but only None, booleans, integers, numbers,
// text, bytes, lists, tuples and dicts. Nothing is ever looked up or called: what names a class or a function is
// refused, so no input can run code. Limits: max_depth of nesting, integers of 64 bits, and a million values or 256 MiB
// once what is shared is written out. Threads: no state. Errors: one sentence.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "protocol/task/value.h"

namespace wherry::results {

Result<std::string> encode_pickle(const task::Value& value);
Result<task::Value> decode_pickle(std::string_view bytes);

}  // namespace wherry::results
