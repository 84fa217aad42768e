// Every method of AMQP 0-9-1 with RabbitMQ's extensions, each as a plain struct whose fields stand in wire order.
//
// The struct is the only description of a method: its encoder, decoder and printer take it apart with base/reflect.h.
// Field types name the wire type: integers by width, std::string_view a short string, LongString a long string, bool
// one bit (neighbouring bits share octets), TableView a field table.
//
// Lifetime: after decoding, views point into the frame that was read and live as long as that buffer. For encoding they
// point wherever the caller has the text.
// Source: AMQP 0-9-1 specification 1.3 and RabbitMQ's protocol extensions (blocked, update-secret, nack, confirm,
// exchange.bind, consumer arguments).
#pragma once

#include <cstdint>
#include <string_view>
#include <variant>

#include "protocol/amqp/table_view.h"

namespace wherry::amqp {

struct MethodId {
  std::uint16_t class_id = 0;
  std::uint16_t method_id = 0;
  friend constexpr bool operator==(MethodId, MethodId) = default;
};

struct LongString {
  std::string_view text;
  friend constexpr bool operator==(const LongString&, const LongString&) = default;
};

// The name is the specification's ("queue.declare"); the rest of the line is the class and method id.
#define WHERRY_METHOD(NAME, CLASS, METHOD)       \
  static constexpr std::string_view name = NAME; \
  static constexpr MethodId id {                 \
    CLASS, METHOD                                \
  }

// --- connection (10) ------------------------------------------------------------------------------------------------
struct ConnectionStart {
  WHERRY_METHOD("connection.start", 10, 10);
  std::uint8_t version_major = 0;
  std::uint8_t version_minor = 9;
  TableView server_properties;
  LongString mechanisms;
  LongString locales;
};
struct ConnectionStartOk {
  WHERRY_METHOD("connection.start-ok", 10, 11);
  TableView client_properties;
  std::string_view mechanism;
  LongString response;
  std::string_view locale;
};
struct ConnectionSecure {
  WHERRY_METHOD("connection.secure", 10, 20);
  LongString challenge;
};
struct ConnectionSecureOk {
  WHERRY_METHOD("connection.secure-ok", 10, 21);
  LongString response;
};
struct ConnectionTune {
  WHERRY_METHOD("connection.tune", 10, 30);
  std::uint16_t channel_max = 0;
  std::uint32_t frame_max = 0;
  std::uint16_t heartbeat_s = 0;
};
struct ConnectionTuneOk {
  WHERRY_METHOD("connection.tune-ok", 10, 31);
  std::uint16_t channel_max = 0;
  std::uint32_t frame_max = 0;
  std::uint16_t heartbeat_s = 0;
};
struct ConnectionOpen {
  WHERRY_METHOD("connection.open", 10, 40);
  std::string_view virtual_host;
  std::string_view reserved_1;
  bool reserved_2 = false;
};
struct ConnectionOpenOk {
  WHERRY_METHOD("connection.open-ok", 10, 41);
  std::string_view reserved_1;
};
struct ConnectionClose {
  WHERRY_METHOD("connection.close", 10, 50);
  std::uint16_t reply_code = 0;
  std::string_view reply_text;
  std::uint16_t class_id = 0;
  std::uint16_t method_id = 0;
};
struct ConnectionCloseOk {
  WHERRY_METHOD("connection.close-ok", 10, 51);
};
struct ConnectionBlocked {
  WHERRY_METHOD("connection.blocked", 10, 60);
  std::string_view reason;
};
struct ConnectionUnblocked {
  WHERRY_METHOD("connection.unblocked", 10, 61);
};
struct ConnectionUpdateSecret {
  WHERRY_METHOD("connection.update-secret", 10, 70);
  LongString new_secret;
  std::string_view reason;
};
struct ConnectionUpdateSecretOk {
  WHERRY_METHOD("connection.update-secret-ok", 10, 71);
};

// --- channel (20) ---------------------------------------------------------------------------------------------------
struct ChannelOpen {
  WHERRY_METHOD("channel.open", 20, 10);
  std::string_view reserved_1;
};
struct ChannelOpenOk {
  WHERRY_METHOD("channel.open-ok", 20, 11);
  LongString reserved_1;
};
struct ChannelFlow {
  WHERRY_METHOD("channel.flow", 20, 20);
  bool active = true;
};
struct ChannelFlowOk {
  WHERRY_METHOD("channel.flow-ok", 20, 21);
  bool active = true;
};
struct ChannelClose {
  WHERRY_METHOD("channel.close", 20, 40);
  std::uint16_t reply_code = 0;
  std::string_view reply_text;
  std::uint16_t class_id = 0;
  std::uint16_t method_id = 0;
};
struct ChannelCloseOk {
  WHERRY_METHOD("channel.close-ok", 20, 41);
};

// --- access (30): legacy, always granted ----------------------------------------------------------------------------
struct AccessRequest {
  WHERRY_METHOD("access.request", 30, 10);
  std::string_view realm;
  bool exclusive = false;
  bool passive = true;
  bool active = true;
  bool write = true;
  bool read = true;
};
struct AccessRequestOk {
  WHERRY_METHOD("access.request-ok", 30, 11);
  std::uint16_t ticket = 1;
};

// --- exchange (40) --------------------------------------------------------------------------------------------------
struct ExchangeDeclare {
  WHERRY_METHOD("exchange.declare", 40, 10);
  std::uint16_t ticket = 0;
  std::string_view exchange;
  std::string_view type = "direct";
  bool passive = false;
  bool durable = false;
  bool auto_delete = false;
  bool internal = false;
  bool nowait = false;
  TableView arguments;
};
struct ExchangeDeclareOk {
  WHERRY_METHOD("exchange.declare-ok", 40, 11);
};
struct ExchangeDelete {
  WHERRY_METHOD("exchange.delete", 40, 20);
  std::uint16_t ticket = 0;
  std::string_view exchange;
  bool if_unused = false;
  bool nowait = false;
};
struct ExchangeDeleteOk {
  WHERRY_METHOD("exchange.delete-ok", 40, 21);
};
struct ExchangeBind {
  WHERRY_METHOD("exchange.bind", 40, 30);
  std::uint16_t ticket = 0;
  std::string_view destination;
  std::string_view source;
  std::string_view routing_key;
  bool nowait = false;
  TableView arguments;
};
struct ExchangeBindOk {
  WHERRY_METHOD("exchange.bind-ok", 40, 31);
};
struct ExchangeUnbind {
  WHERRY_METHOD("exchange.unbind", 40, 40);
  std::uint16_t ticket = 0;
  std::string_view destination;
  std::string_view source;
  std::string_view routing_key;
  bool nowait = false;
  TableView arguments;
};
struct ExchangeUnbindOk {
  WHERRY_METHOD("exchange.unbind-ok", 40, 51);  // 51, not 41: so the protocol has it.
};

// --- queue (50) -----------------------------------------------------------------------------------------------------
struct QueueDeclare {
  WHERRY_METHOD("queue.declare", 50, 10);
  std::uint16_t ticket = 0;
  std::string_view queue;
  bool passive = false;
  bool durable = false;
  bool exclusive = false;
  bool auto_delete = false;
  bool nowait = false;
  TableView arguments;
};
struct QueueDeclareOk {
  WHERRY_METHOD("queue.declare-ok", 50, 11);
  std::string_view queue;
  std::uint32_t message_count = 0;
  std::uint32_t consumer_count = 0;
};
struct QueueBind {
  WHERRY_METHOD("queue.bind", 50, 20);
  std::uint16_t ticket = 0;
  std::string_view queue;
  std::string_view exchange;
  std::string_view routing_key;
  bool nowait = false;
  TableView arguments;
};
struct QueueBindOk {
  WHERRY_METHOD("queue.bind-ok", 50, 21);
};
struct QueuePurge {
  WHERRY_METHOD("queue.purge", 50, 30);
  std::uint16_t ticket = 0;
  std::string_view queue;
  bool nowait = false;
};
struct QueuePurgeOk {
  WHERRY_METHOD("queue.purge-ok", 50, 31);
  std::uint32_t message_count = 0;
};
struct QueueDelete {
  WHERRY_METHOD("queue.delete", 50, 40);
  std::uint16_t ticket = 0;
  std::string_view queue;
  bool if_unused = false;
  bool if_empty = false;
  bool nowait = false;
};
struct QueueDeleteOk {
  WHERRY_METHOD("queue.delete-ok", 50, 41);
  std::uint32_t message_count = 0;
};
struct QueueUnbind {
  WHERRY_METHOD("queue.unbind", 50, 50);
  std::uint16_t ticket = 0;
  std::string_view queue;
  std::string_view exchange;
  std::string_view routing_key;
  TableView arguments;
};
struct QueueUnbindOk {
  WHERRY_METHOD("queue.unbind-ok", 50, 51);
};

// --- basic (60) -----------------------------------------------------------------------------------------------------
struct BasicQos {
  WHERRY_METHOD("basic.qos", 60, 10);
  std::uint32_t prefetch_size = 0;
  std::uint16_t prefetch_count = 0;
  bool global = false;
};
struct BasicQosOk {
  WHERRY_METHOD("basic.qos-ok", 60, 11);
};
struct BasicConsume {
  WHERRY_METHOD("basic.consume", 60, 20);
  std::uint16_t ticket = 0;
  std::string_view queue;
  std::string_view consumer_tag;
  bool no_local = false;
  bool no_ack = false;
  bool exclusive = false;
  bool nowait = false;
  TableView arguments;
};
struct BasicConsumeOk {
  WHERRY_METHOD("basic.consume-ok", 60, 21);
  std::string_view consumer_tag;
};
struct BasicCancel {
  WHERRY_METHOD("basic.cancel", 60, 30);
  std::string_view consumer_tag;
  bool nowait = false;
};
struct BasicCancelOk {
  WHERRY_METHOD("basic.cancel-ok", 60, 31);
  std::string_view consumer_tag;
};
struct BasicPublish {
  WHERRY_METHOD("basic.publish", 60, 40);
  std::uint16_t ticket = 0;
  std::string_view exchange;
  std::string_view routing_key;
  bool mandatory = false;
  bool immediate = false;
};
struct BasicReturn {
  WHERRY_METHOD("basic.return", 60, 50);
  std::uint16_t reply_code = 0;
  std::string_view reply_text;
  std::string_view exchange;
  std::string_view routing_key;
};
struct BasicDeliver {
  WHERRY_METHOD("basic.deliver", 60, 60);
  std::string_view consumer_tag;
  std::uint64_t delivery_tag = 0;
  bool redelivered = false;
  std::string_view exchange;
  std::string_view routing_key;
};
struct BasicGet {
  WHERRY_METHOD("basic.get", 60, 70);
  std::uint16_t ticket = 0;
  std::string_view queue;
  bool no_ack = false;
};
struct BasicGetOk {
  WHERRY_METHOD("basic.get-ok", 60, 71);
  std::uint64_t delivery_tag = 0;
  bool redelivered = false;
  std::string_view exchange;
  std::string_view routing_key;
  std::uint32_t message_count = 0;
};
struct BasicGetEmpty {
  WHERRY_METHOD("basic.get-empty", 60, 72);
  std::string_view reserved_1;
};
struct BasicAck {
  WHERRY_METHOD("basic.ack", 60, 80);
  std::uint64_t delivery_tag = 0;
  bool multiple = false;
};
struct BasicReject {
  WHERRY_METHOD("basic.reject", 60, 90);
  std::uint64_t delivery_tag = 0;
  bool requeue = true;
};
struct BasicRecoverAsync {
  WHERRY_METHOD("basic.recover-async", 60, 100);
  bool requeue = false;
};
struct BasicRecover {
  WHERRY_METHOD("basic.recover", 60, 110);
  bool requeue = false;
};
struct BasicRecoverOk {
  WHERRY_METHOD("basic.recover-ok", 60, 111);
};
struct BasicNack {
  WHERRY_METHOD("basic.nack", 60, 120);
  std::uint64_t delivery_tag = 0;
  bool multiple = false;
  bool requeue = true;
};

// --- confirm (85), tx (90) ------------------------------------------------------------------------------------------
struct ConfirmSelect {
  WHERRY_METHOD("confirm.select", 85, 10);
  bool nowait = false;
};
struct ConfirmSelectOk {
  WHERRY_METHOD("confirm.select-ok", 85, 11);
};
struct TxSelect {
  WHERRY_METHOD("tx.select", 90, 10);
};
struct TxSelectOk {
  WHERRY_METHOD("tx.select-ok", 90, 11);
};
struct TxCommit {
  WHERRY_METHOD("tx.commit", 90, 20);
};
struct TxCommitOk {
  WHERRY_METHOD("tx.commit-ok", 90, 21);
};
struct TxRollback {
  WHERRY_METHOD("tx.rollback", 90, 30);
};
struct TxRollbackOk {
  WHERRY_METHOD("tx.rollback-ok", 90, 31);
};

#undef WHERRY_METHOD

using Method = std::variant<
    ConnectionStart, ConnectionStartOk, ConnectionSecure, ConnectionSecureOk, ConnectionTune, ConnectionTuneOk,
    ConnectionOpen, ConnectionOpenOk, ConnectionClose, ConnectionCloseOk, ConnectionBlocked, ConnectionUnblocked,
    ConnectionUpdateSecret, ConnectionUpdateSecretOk, ChannelOpen, ChannelOpenOk, ChannelFlow, ChannelFlowOk,
    ChannelClose, ChannelCloseOk, AccessRequest, AccessRequestOk, ExchangeDeclare, ExchangeDeclareOk, ExchangeDelete,
    ExchangeDeleteOk, ExchangeBind, ExchangeBindOk, ExchangeUnbind, ExchangeUnbindOk, QueueDeclare, QueueDeclareOk,
    QueueBind, QueueBindOk, QueuePurge, QueuePurgeOk, QueueDelete, QueueDeleteOk, QueueUnbind, QueueUnbindOk, BasicQos,
    BasicQosOk, BasicConsume, BasicConsumeOk, BasicCancel, BasicCancelOk, BasicPublish, BasicReturn, BasicDeliver,
    BasicGet, BasicGetOk, BasicGetEmpty, BasicAck, BasicReject, BasicRecoverAsync, BasicRecover, BasicRecoverOk,
    BasicNack, ConfirmSelect, ConfirmSelectOk, TxSelect, TxSelectOk, TxCommit, TxCommitOk, TxRollback, TxRollbackOk>;

}  // namespace wherry::amqp
