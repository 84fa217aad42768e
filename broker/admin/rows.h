// Rows: how RabbitMQ writes what there is: the objects of its management API, field for field where the broker has the
// figure. docs/management.md says which fields are left out and which are Wherry's own.
//
// Threads: plain functions; the desk's rules.
#pragma once

#include <string_view>

#include "broker/admin/desk.h"
#include "protocol/amqp/properties.h"

namespace wherry::broker::admin {

// Clients look at it for what they may expect: the version whose behaviour this broker has.
constexpr std::string_view rabbitmq_version = "3.10.8";

using amqp::FieldArray;
using amqp::FieldValue;
using amqp::Table;

// Appends; names are written once.
template <class T>
void put(Table& row, const char* name, T value) {
  row.entries().emplace_back(name, FieldValue(std::move(value)));
}
// Counts are 64-bit integers with sign everywhere.
template <class T>
FieldValue count(T number) {
  return static_cast<std::int64_t>(number);
}

enum class Stats { with, without };  // Without rates: disable_stats=true.

Table queue_row(Desk& desk, const QueueState& queue, Stats stats = Stats::with);
// counts: null where nothing was published to it yet.
Table exchange_row(Desk& desk, std::string_view vhost, const ExchangeSpec& exchange, const EffectiveRef& effective,
                   const ExchangeCounts* counts);
Table binding_row(std::string_view vhost, const BindingSpec& binding);
Table connection_row(Desk& desk, const ConnectionState& connection);
Table channel_row(Desk& desk, const ConnectionState& connection, const ChannelInfo& channel);
Table consumer_row(Desk& desk, const ConnectionState& connection, const ChannelInfo& channel,
                   const ConsumerInfo& consumer);
// A message's, those that it has.
Table properties_row(const amqp::Properties& properties);
// What a message_stats object says of channels.
Table channel_stats(const ChannelCounts& counts, const Before<ChannelCounts>& before);

// "key", "key~hash" or "~": what names one of several bindings between the same two.
std::string properties_key(const BindingSpec& binding);
std::string channel_name(const ConnectionState& connection, const ChannelInfo& channel);
std::string iso_time(std::uint64_t ms);

}  // namespace wherry::broker::admin
