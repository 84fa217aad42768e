// Values as JSON text, as kombu's "json" serializer has them (content type application/json, utf-8).
//
// What JSON has no word for travels as {"__type__": ..., "__value__": ...}. Written: "bytes" (when they are UTF-8) and
// "base64" for Bytes. Read: those two as Bytes; "datetime", "date", "time", "decimal" as string; "uuid" as string with
// dashes. Any other __type__ is an error, as it is for kombu. Versions of kombu before 5.3 know none of these forms:
// they read them as plain maps, and so do we write everything else without them.
//
// Limits: max_depth of nesting. Integers beyond 64 bits, NaN, infinities and text that is not UTF-8 are refused.
// Errors: one sentence with the byte where reading stopped.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "protocol/task/value.h"

namespace wherry::task {

Result<std::string> encode_json(const Value& value);
Result<Value> decode_json(std::string_view text);

}  // namespace wherry::task
