// Serializers: how a body is written, named as the content_type and content_encoding properties name them.
//
// application/json with utf-8, application/x-msgpack with binary. Others that Celery knows (yaml, pickle, signed data)
// are refused by name.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "protocol/amqp/properties.h"
#include "protocol/task/value.h"

namespace wherry::task {

enum class Serializer { json, msgpack };

std::string_view content_type(Serializer serializer);
std::string_view content_encoding(Serializer serializer);

Result<std::string> encode_body(const Value& value, Serializer serializer);

// Why a message could not be read.
struct DecodeError {
  enum class Kind {
    not_a_task,   // Well-formed, but there is no task in it, or one that lacks what it must have.
    undecodable,  // The body is not what its content type says.
    unsupported,  // A content type, encoding or compression that Wherry does not read; the message names it.
  };
  Kind kind = Kind::not_a_task;
  std::string message;  // One sentence.
};

// Which serializer wrote this content. A missing content type is unsupported.
Result<Serializer, DecodeError> serializer_of(const amqp::Properties& properties);
// Inflates a compressed body (header "compression") before, see compression.h.
Result<Value, DecodeError> decode_body(const amqp::Properties& properties, std::string_view body);

}  // namespace wherry::task
