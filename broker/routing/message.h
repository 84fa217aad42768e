// Message: what was published, immutable once sealed: one block that holds exchange, routing key, properties as
// received and body, shared by every queue it was routed to.
//
// Lifetime: intrusive reference count; the last MessageRef frees the block. Threads: a sealed message may be read, and
// its count changed, on any thread. Limits: exchange and routing key 255 bytes, properties 4 GiB, body
// max_message_size.
#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>

#include <boost/smart_ptr/intrusive_ptr.hpp>

#include "base/output_buffer.h"

namespace wherry::broker {

class Message;
using MessageRef = boost::intrusive_ptr<const Message>;

class Message {
 public:
  struct Origin {
    std::string_view exchange = {};
    std::string_view routing_key = {};
    std::string_view properties = {};  // Raw content-header properties: flags and list.
    std::uint8_t delivery_mode = 1;
    std::uint8_t priority = 0;
    std::uint64_t body_size = 0;
    std::uint64_t published_ms = 0;  // POSIX milliseconds.
  };

  // Copies everything of origin; the body is then written by append_body(), exactly body_size bytes in all.
  static boost::intrusive_ptr<Message> create(const Origin& origin);
  void append_body(std::string_view fragment);
  bool complete() const { return body_filled_ == body_size_; }

  std::string_view exchange() const { return {text(), exchange_size_}; }
  std::string_view routing_key() const { return {text() + exchange_size_, routing_key_size_}; }
  std::string_view properties() const { return {text() + exchange_size_ + routing_key_size_, properties_size_}; }
  std::string_view body() const { return {text() + head_size(), body_filled_}; }
  // Exchange, routing key, properties and body, one behind the other.
  std::string_view text_bytes() const { return {text(), head_size() + body_filled_}; }
  bool persistent() const { return delivery_mode_ == 2; }
  std::uint8_t priority() const { return priority_; }
  std::uint8_t delivery_mode() const { return delivery_mode_; }
  std::uint64_t published_ms() const { return published_ms_; }
  // Whether the properties may hold what no consumer is to see (carbon_copies.h).
  bool may_have_bcc() const { return may_have_bcc_; }
  // Whether the properties hold an expiration.
  bool has_expiration() const { return has_expiration_; }
  // Bytes of memory the block takes.
  std::size_t footprint() const { return sizeof(Message) + head_size() + body_size_; }

  // The same message published at another time: what comes out of a delay.
  static MessageRef restamped(const MessageRef& message, std::uint64_t published_ms);

  // The same message with other properties.
  static MessageRef with_properties(const MessageRef& message, std::string_view raw_properties);

  // Keeps the message alive for as long as bytes of it are on their way to a socket.
  Pin pin() const;

 private:
  Message() = default;
  std::size_t head_size() const { return std::size_t{exchange_size_} + routing_key_size_ + properties_size_; }
  const char* text() const { return reinterpret_cast<const char*>(this + 1); }
  char* text() { return reinterpret_cast<char*>(this + 1); }

  friend void intrusive_ptr_add_ref(const Message* message) {
    message->references_.fetch_add(1, std::memory_order_relaxed);
  }
  friend void intrusive_ptr_release(const Message* message) {
    // Nobody else can come to know a message that only one reference is left of: that one needs no atomic write.
    if (message->references_.load(std::memory_order_acquire) == 1 ||
        message->references_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      destroy(message);
    }
  }
  static void destroy(const Message* message);

  mutable std::atomic<std::uint32_t> references_{1};
  std::uint8_t exchange_size_ = 0;
  std::uint8_t routing_key_size_ = 0;
  std::uint8_t delivery_mode_ = 1;
  std::uint8_t priority_ = 0;
  std::uint32_t properties_size_ = 0;
  bool may_have_bcc_ = false;
  bool has_expiration_ = false;
  std::uint64_t body_size_ = 0;
  std::uint64_t body_filled_ = 0;
  std::uint64_t published_ms_ = 0;
};

}  // namespace wherry::broker
