// The settings that a policy may hold: what each means as an argument of a queue or exchange, how two values of it come
// to one, and which values are fit. A new one is a line in the table of the .cpp.
//
// Source: RabbitMQ's documentation of policies; the texts are those of 3.10. Threads: plain functions.
#pragma once

#include <string>
#include <string_view>

#include "protocol/amqp/table.h"

namespace wherry::broker {

enum class PolicyKind { plain, by_operator };

// Of two values of one setting: the smaller number; or, of argument and policy, the argument.
enum class PolicyMerge { least, argument };

struct PolicyKey {
  std::string_view name;      // "message-ttl"
  std::string_view argument;  // "x-message-ttl"; empty: accepted, without effect.
  PolicyMerge merge;
  bool by_operator;         // Operator policies may hold it too.
  std::string_view wanted;  // "is not a valid " and this, for a value that is unfit.
  bool (*fit)(const amqp::FieldValue& value);
};

// Null for one that there is not.
const PolicyKey* find_policy_key(std::string_view name);

// "<<\"text\">>", "12": as Erlang prints a value, and RabbitMQ in its errors.
std::string erlang_term(const amqp::FieldValue& value);

// Why the definition is none, in RabbitMQ's words; empty when it is.
std::string policy_definition_fault(PolicyKind kind, const amqp::Table& definition);

// What an operator's policy makes of another (either may be empty): the smaller number, else the operator's value.
amqp::Table merge_definitions(const amqp::Table& plain, const amqp::Table& by_operator);
// What arguments and a definition come to, as arguments.
amqp::Table merge_arguments(const amqp::Table& arguments, const amqp::Table& definition);

}  // namespace wherry::broker
