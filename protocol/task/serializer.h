// Serializers: how a body is written, named as the content_type and content_encoding properties name them.
//
// application/json with utf-8, application/x-msgpack with binary. Others that Celery knows (yaml, pickle, signed data)
// are refused by name.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "protocol/amqp/properties.h"
#include "protocol/task/compression.h"
#include "protocol/task/decode_error.h"
#include "protocol/task/value.h"

namespace wherry::task {

enum class Serializer { json, msgpack };

std::string_view content_type(Serializer serializer);
std::string_view content_encoding(Serializer serializer);

Result<std::string> encode_body(const Value& value, Serializer serializer);

// Which serializer wrote this content. A missing content type is unsupported.
Result<Serializer, DecodeError> serializer_of(const amqp::Properties& properties);
// Inflates a compressed body before, see compression.h.
Result<Value, DecodeError> decode_body(Serializer serializer, Compression compression, std::string_view body);
// As the properties and the header "compression" say.
Result<Value, DecodeError> decode_body(const amqp::Properties& properties, std::string_view body);

}  // namespace wherry::task
