// Values as MessagePack, as kombu's "msgpack" serializer has them (content type application/x-msgpack, binary):
// strings as str, Bytes as bin, no extension types; the forms of types.h as the strings that they stand for.
//
// Map keys of other types than string are read as text: 1 -> "1", true -> "true", null -> "null".
// Limits: max_depth of nesting; 4 GiB for one string. Text that is not UTF-8, extension types, arrays or maps as keys
// and bytes after the end are refused.
// Errors: one sentence with the byte where reading stopped.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "protocol/task/value.h"

namespace wherry::task {

Result<std::string> encode_msgpack(const Value& value);
Result<Value> decode_msgpack(std::string_view bytes);

}  // namespace wherry::task
