// The arguments of queues and exchanges: which values are fit, and whether a second declaration means the same.
//
// Every text is RabbitMQ 3.10's, its way of printing Erlang terms included: clients and people search for them.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "broker/routing/vhost.h"

namespace wherry::broker {

// "queue 'q' in vhost '/'".
std::string resource(std::string_view kind, std::string_view name, std::string_view vhost);
amqp::AmqpError not_found(std::string_view resource);
tl::unexpected<amqp::AmqpError> refuse(amqp::ReplyCode code, std::string explanation);

// "longstr", "signedint", ...: what RabbitMQ calls the types of the wire.
std::string_view type_name(const amqp::FieldValue& value);

// Types and values of a queue's arguments. 406.
AmqpResult<void> check_queue_arguments(const QueueSpec& spec, std::string_view resource);
// Types of a consumer's arguments. 406.
AmqpResult<void> check_consumer_arguments(const amqp::Table& arguments, std::string_view resource);
// 406 for an alternate exchange that is not a name, and for x-delayed-message without a fit x-delayed-type.
AmqpResult<void> check_exchange_arguments(const ExchangeSpec& spec, std::string_view resource);

// Whether what was received means what there is; else 406 "inequivalent arg ...".
AmqpResult<void> same_property(std::string_view name, bool current, bool received, std::string_view resource);
AmqpResult<void> same_property(std::string_view name, std::string_view current, std::string_view received,
                               std::string_view resource);
AmqpResult<void> same_arguments(std::span<const std::string_view> names, const amqp::Table& current,
                                const amqp::Table& received, std::string_view resource);
// The arguments in which two declarations of a queue must agree.
std::span<const std::string_view> queue_argument_names();

}  // namespace wherry::broker
