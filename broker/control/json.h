// JSON as the control socket has it, to and from field tables: an object is a table, an array a FieldArray.
//
//   auto request = parse_object(line);            // {"verb":"list_policies","vhost":"/"}
//   std::string text = to_json(answer);           // one line
//
// Numbers: integers of 64 bits with sign, else double. Limits: parse_object() refuses a text above most_bytes, more
// than 16 levels and 10,000 values. What is written may be larger; bytes that are no UTF-8 become U+FFFD there, and
// what JSON has no word for (decimals, timestamps) is written as a text. Threads: plain functions.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"
#include "protocol/amqp/table.h"

namespace wherry::broker::control {

constexpr const char* socket_name = "control.sock";  // Of the socket, in the data directory.
constexpr std::size_t most_bytes = 256 * 1024;

// Any value; parse_object() takes an object alone.
Result<amqp::FieldValue> parse_value(std::string_view text, std::size_t most_size = most_bytes);
Result<amqp::Table> parse_object(std::string_view text, std::size_t most_size = most_bytes);
std::string to_json(const amqp::Table& table);
std::string to_json(const amqp::FieldValue& value);

}  // namespace wherry::broker::control
