#include "broker/store/message_image.h"

#include "base/bytes.h"

namespace wherry::broker {

std::size_t message_image_bytes(const Message& message) {
  return kMessageHeadBytes + message.text_bytes().size();
}

MessageHead encode_message_head(const Message& message) {
  MessageHead head{};
  store_big(head.data(), message.published_ms());
  store_big(head.data() + 8, static_cast<std::uint32_t>(message.properties().size()));
  head[12] = static_cast<char>(message.exchange().size());
  head[13] = static_cast<char>(message.routing_key().size());
  head[14] = static_cast<char>(message.priority());
  head[15] = static_cast<char>(message.delivery_mode());
  return head;
}

void append_message_image(std::string& to, const Message& message) {
  const MessageHead head = encode_message_head(message);
  to.append(head.data(), head.size());
  to.append(message.text_bytes());
}

MessageRef decode_message(std::string_view image) {
  ByteReader in(image);
  Message::Origin origin;
  origin.published_ms = in.u64();
  const std::size_t properties = in.u32();
  const std::size_t exchange = in.u8();
  const std::size_t routing_key = in.u8();
  origin.priority = in.u8();
  origin.delivery_mode = in.u8();
  origin.exchange = in.bytes(exchange);
  origin.routing_key = in.bytes(routing_key);
  origin.properties = in.bytes(properties);
  if (!in.ok()) return nullptr;
  origin.body_size = in.remaining();
  auto message = Message::create(origin);
  message->append_body(in.bytes(in.remaining()));
  return message;
}

}  // namespace wherry::broker
