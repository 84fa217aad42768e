#include "broker/routing/message.h"

#include <cstring>
#include <new>

#include "base/assert.h"
#include "base/block_pool.h"
#include "base/bytes.h"
#include "broker/routing/carbon_copies.h"

namespace wherry::broker {

boost::intrusive_ptr<Message> Message::create(const Origin& origin) {
  WHERRY_ASSERT(origin.exchange.size() <= 255 && origin.routing_key.size() <= 255);
  WHERRY_ASSERT(origin.properties.size() <= UINT32_MAX);
  std::size_t head = origin.exchange.size() + origin.routing_key.size() + origin.properties.size();
  void* block = BlockPool::get(sizeof(Message) + head + origin.body_size);
  Message* message = new (block) Message;
  message->exchange_size_ = static_cast<std::uint8_t>(origin.exchange.size());
  message->routing_key_size_ = static_cast<std::uint8_t>(origin.routing_key.size());
  message->properties_size_ = static_cast<std::uint32_t>(origin.properties.size());
  message->delivery_mode_ = origin.delivery_mode;
  message->priority_ = origin.priority;
  message->body_size_ = origin.body_size;
  message->published_ms_ = origin.published_ms;
  constexpr std::uint16_t headers_flag = 1u << 13;
  constexpr std::uint16_t expiration_flag = 1u << 8;
  const std::uint16_t flags = origin.properties.size() >= 2 ? load_big<std::uint16_t>(origin.properties.data()) : 0;
  message->may_have_bcc_ = (flags & headers_flag) != 0 && broker::may_have_bcc(origin.properties);
  message->has_expiration_ = (flags & expiration_flag) != 0;
  char* to = message->text();
  for (std::string_view part : {origin.exchange, origin.routing_key, origin.properties}) {
    if (!part.empty()) std::memcpy(to, part.data(), part.size());
    to += part.size();
  }
  return {message, false};
}

void Message::append_body(std::string_view fragment) {
  WHERRY_ASSERT(fragment.size() <= body_size_ - body_filled_);
  if (fragment.empty()) return;
  std::memcpy(text() + head_size() + body_filled_, fragment.data(), fragment.size());
  body_filled_ += fragment.size();
}

MessageRef Message::with_properties(const MessageRef& message, std::string_view raw_properties) {
  auto copy = create({.exchange = message->exchange(),
                      .routing_key = message->routing_key(),
                      .properties = raw_properties,
                      .delivery_mode = message->delivery_mode_,
                      .priority = message->priority_,
                      .body_size = message->body_size_,
                      .published_ms = message->published_ms_});
  copy->append_body(message->body());
  return copy;
}

MessageRef Message::restamped(const MessageRef& message, std::uint64_t published_ms) {
  auto copy = create({.exchange = message->exchange(),
                      .routing_key = message->routing_key(),
                      .properties = message->properties(),
                      .delivery_mode = message->delivery_mode_,
                      .priority = message->priority_,
                      .body_size = message->body_size_,
                      .published_ms = published_ms});
  copy->append_body(message->body());
  return copy;
}

Pin Message::pin() const {
  intrusive_ptr_add_ref(this);
  return Pin(this, [](const void* object) { intrusive_ptr_release(static_cast<const Message*>(object)); });
}

void Message::destroy(const Message* message) {
  const std::size_t size = message->footprint();
  message->~Message();
  BlockPool::put(const_cast<Message*>(message), size);
}

}  // namespace wherry::broker
