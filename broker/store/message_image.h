// A message as the store writes it, in the log and in segments. docs/store-format.md has the layout.
//
//   encode_message_head(*message, head);   // then exchange, routing key, properties and body follow as they are
//   MessageRef back = decode_message(image);
//
// Pure. Threads: any. Errors: null for an image whose lengths do not fit; its checksum was right, so that is a bug or a
// forgery. Limits: Message's own.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "broker/routing/message.h"

namespace wherry::broker {

constexpr std::size_t kMessageHeadBytes = 16;
using MessageHead = std::array<char, kMessageHeadBytes>;

std::size_t message_image_bytes(const Message& message);
MessageHead encode_message_head(const Message& message);
void append_message_image(std::string& to, const Message& message);
MessageRef decode_message(std::string_view image);

}  // namespace wherry::broker
