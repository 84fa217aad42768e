#include "protocol/task/serializer.h"

#include "protocol/task/compression.h"
#include "protocol/task/json.h"
#include "protocol/task/msgpack.h"

namespace wherry::task {

namespace {

tl::unexpected<DecodeError> unsupported(std::string message) {
  return tl::unexpected(DecodeError{DecodeError::Kind::unsupported, std::move(message)});
}

}  // namespace

std::string_view content_type(Serializer serializer) {
  return serializer == Serializer::json ? "application/json" : "application/x-msgpack";
}

std::string_view content_encoding(Serializer serializer) {
  return serializer == Serializer::json ? "utf-8" : "binary";
}

Result<std::string> encode_body(const Value& value, Serializer serializer) {
  return serializer == Serializer::json ? encode_json(value) : encode_msgpack(value);
}

Result<Serializer, DecodeError> serializer_of(const amqp::Properties& properties) {
  if (!properties.content_type) return unsupported("no content type");
  const std::string& type = *properties.content_type;
  if (type == content_type(Serializer::msgpack)) return Serializer::msgpack;
  if (type != content_type(Serializer::json)) return unsupported("content type \"" + type + "\" is not supported");
  // JSON is UTF-8 whatever it is called here, except in encodings that would spell it otherwise.
  const std::string encoding = properties.content_encoding.value_or("");
  for (std::string_view same : {"", "utf-8", "UTF-8", "utf8", "us-ascii", "ascii", "binary"}) {
    if (encoding == same) return Serializer::json;
  }
  return unsupported("content encoding \"" + encoding + "\" is not supported");
}

Result<Value, DecodeError> decode_body(Serializer serializer, Compression compression, std::string_view body) {
  std::string inflated;
  if (compression != Compression::none) {
    auto whole = decompress(body, compression);
    if (!whole) return tl::unexpected(DecodeError{DecodeError::Kind::undecodable, "body: " + whole.error().message});
    inflated = std::move(*whole);
    body = inflated;
  }
  auto value = serializer == Serializer::json ? decode_json(body) : decode_msgpack(body);
  if (value) return std::move(*value);
  return tl::unexpected(DecodeError{DecodeError::Kind::undecodable, "body: " + value.error().message});
}

Result<Value, DecodeError> decode_body(const amqp::Properties& properties, std::string_view body) {
  std::string room;
  amqp::FieldView named;
  if (properties.headers) {
    amqp::each_pair({properties.headers->bytes(room)}, [&](std::string_view name, const amqp::FieldView& value) {
      if (name == "compression") named = value;
    });
  }
  auto compression = compression_of(named);
  if (!compression) return tl::unexpected(std::move(compression.error()));
  auto serializer = serializer_of(properties);
  if (!serializer) return tl::unexpected(std::move(serializer.error()));
  return decode_body(*serializer, *compression, body);
}

}  // namespace wherry::task
