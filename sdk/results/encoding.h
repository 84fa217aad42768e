// How results stand in a store of bytes, as Celery writes them with its default serializer: JSON. What another worker's
// result_serializer wrote as msgpack is read too: the first byte tells them apart.
//
// Threads: no state.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "protocol/task/result.h"
#include "protocol/task/value.h"

namespace wherry::results {

Result<task::Value> decode_stored(std::string_view bytes);

Result<std::string> encode_meta(const task::ResultMeta& meta);
Result<task::ResultMeta> decode_meta(std::string_view bytes);

// A chord's part: [1, task_id, status, result], the result as it stands in the meta.
Result<std::string> encode_part(const task::ResultMeta& meta);
Result<task::ResultMeta> decode_part(std::string_view bytes);

// A saved group: {"result": tuple}.
Result<std::string> encode_group(task::Value tuple);
Result<task::Value> decode_group(std::string_view bytes);

}  // namespace wherry::results
