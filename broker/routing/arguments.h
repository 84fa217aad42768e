// The arguments of queues and exchanges: which values are fit, and whether a second declaration means the same.
//
// Every text is RabbitMQ 3.10's, its way of printing Erlang terms included: clients and people search for them.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "broker/routing/vhost.h"

namespace wherry::broker {

// The longest time to live, of a queue and of a message: ten years.
constexpr std::int64_t max_expiry_ms = 315'360'000'000;

// "queue 'q' in vhost '/'".
std::string resource(std::string_view kind, std::string_view name, std::string_view vhost);
amqp::AmqpError not_found(std::string_view resource);
tl::unexpected<amqp::AmqpError> refuse(amqp::ReplyCode code, std::string explanation);

// "longstr", "signedint", ...: what RabbitMQ calls the types of the wire.
std::string_view type_name(const amqp::FieldValue& value);

// What an integer, a float or a decimal is worth; nothing for any other value.
std::optional<double> real_number(const amqp::FieldValue& value);

// Whether a queue with these arguments is one of RabbitMQ's quorum queues to its clients.
bool is_quorum(const amqp::Table& arguments);
// Types and values of a queue's arguments. 406.
AmqpResult<void> check_queue_arguments(const QueueSpec& spec, std::string_view resource);
// That a new queue has no arguments which RabbitMQ knows for other types of queues only. One that is restored is not
// asked again. 406.
AmqpResult<void> check_queue_arguments_of_type(const QueueSpec& spec, bool server_named, std::string_view resource);
// Names and types of a consumer's arguments. 406.
AmqpResult<void> check_consumer_arguments(const amqp::Table& arguments, const QueueSpec& queue,
                                          std::string_view resource);
// 406 for an alternate exchange that is not a name, for x-delayed-message without a fit x-delayed-type, and for a
// hash-header or hash-property of x-consistent-hash that is none.
AmqpResult<void> check_exchange_arguments(const ExchangeSpec& spec, std::string_view resource);

// Whether what was received means what there is; else 406 "inequivalent arg ...".
AmqpResult<void> same_property(std::string_view name, bool current, bool received, std::string_view resource);
AmqpResult<void> same_property(std::string_view name, std::string_view current, std::string_view received,
                               std::string_view resource);
AmqpResult<void> same_arguments(std::span<const std::string_view> names, const amqp::Table& current,
                                const amqp::Table& received, std::string_view resource);
// The same for all arguments of queues that the broker obeys. x-hold-eta and those of deduplication may be left out of
// a second declaration: the operator declares the queue with them, and clients that know nothing of them declare
// theirs.
AmqpResult<void> same_queue_arguments(const amqp::Table& current, const amqp::Table& received,
                                      std::string_view resource);
// Of those of deduplication alone, which exchanges have too.
AmqpResult<void> same_deduplication(const amqp::Table& current, const amqp::Table& received, std::string_view resource);

}  // namespace wherry::broker
