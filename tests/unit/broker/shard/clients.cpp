#include "tests/unit/broker/shard/clients.h"

#include <stdexcept>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/auth/password_hash.h"
#include "broker/store/memory_store.h"

namespace wherry::broker::test {

namespace {
Monotonic now() {
  return std::chrono::steady_clock::now();
}
}  // namespace

Client::Client(std::uint16_t port, std::string vhost) {
  config_.virtual_host = std::move(vhost);
  amqp::Table capabilities;
  capabilities.set("consumer_cancel_notify", true);
  capabilities.set("connection.blocked", true);
  config_.properties.set("capabilities", std::move(capabilities));
  config_.response = std::string("\0guest\0guest", 12);
  socket_ = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(socket_, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) throw std::runtime_error("connect");
  const int yes = 1;
  ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  ::fcntl(socket_, F_SETFL, O_NONBLOCK);
  machine_ = amqp::Connection::client(config_, *this, out_, now());
}

Client::~Client() {
  if (socket_ >= 0) ::close(socket_);
}

void Client::publish(std::uint16_t channel, std::string_view exchange, std::string_view key, std::string_view body,
                     bool mandatory, const amqp::Properties& properties) {
  amqp::BasicPublish method;
  method.exchange = exchange;
  method.routing_key = key;
  method.mandatory = mandatory;
  machine_->send_content(channel, method, amqp::encode_properties(properties), body);
}

void Client::drop() {
  ::close(socket_);
  socket_ = -1;
  over = true;
}

void Client::move() {
  write();
  read();
  // What was read may have been answered.
  write();
}

void Client::write() {
  while (socket_ >= 0 && !out_.empty()) {
    iovec pieces[16];
    msghdr message{};
    message.msg_iov = pieces;
    message.msg_iovlen = static_cast<std::size_t>(out_.gather(pieces, 16));
    const ssize_t sent = ::sendmsg(socket_, &message, MSG_NOSIGNAL);
    if (sent <= 0) break;
    out_.consume(static_cast<std::size_t>(sent));
  }
}

void Client::read() {
  if (paused_) return;
  char bytes[64 * 1024];
  while (socket_ >= 0) {
    const ssize_t size = ::recv(socket_, bytes, sizeof bytes, 0);
    if (size < 0) break;
    if (size == 0) {
      machine_->on_socket_lost("closed by the broker");
      ::close(socket_);
      socket_ = -1;
      break;
    }
    input_.append(bytes, static_cast<std::size_t>(size));
    input_.erase(0, machine_->receive(input_, now()));
  }
}

void Client::on_method(std::uint16_t, const amqp::Method& method) {
  if (const auto* ack = std::get_if<amqp::BasicAck>(&method)) {
    order.push_back("ack");
    confirmed += ack->multiple ? ack->delivery_tag - confirmed : 1;
  } else if (std::holds_alternative<amqp::BasicNack>(method)) {
    order.push_back("nack");
    ++confirmed;
    ++nacked;
  } else if (const auto* cancel = std::get_if<amqp::BasicCancel>(&method)) {
    cancelled.emplace_back(cancel->consumer_tag);
    order.push_back("cancel");
  } else if (std::holds_alternative<amqp::BasicGetEmpty>(method)) {
    ++got_empty;
  } else if (const auto* block = std::get_if<amqp::ConnectionBlocked>(&method)) {
    blocked = block->reason;
  } else if (std::holds_alternative<amqp::ConnectionUnblocked>(method)) {
    blocked.clear();
  }
  if (const auto* declared = std::get_if<amqp::QueueDeclareOk>(&method)) last_count = declared->message_count;
  if (const auto* purged = std::get_if<amqp::QueuePurgeOk>(&method)) last_count = purged->message_count;
  if (const auto* deleted = std::get_if<amqp::QueueDeleteOk>(&method)) {
    last_count = deleted->message_count;
    order.push_back("delete-ok");
  }
  std::visit([this](const auto& each) { ++answers[std::string(std::decay_t<decltype(each)>::name)]; }, method);
}

void Client::on_content(std::uint16_t channel, const amqp::Method& method, const amqp::ContentHeader& header) {
  last_reply_to = header.view.reply_to.value_or("");
  content_ = {};
  content_.channel = channel;
  content_kind_ = 0;
  if (const auto* deliver = std::get_if<amqp::BasicDeliver>(&method)) {
    content_kind_ = 1;
    content_.consumer = deliver->consumer_tag;
    content_.tag = deliver->delivery_tag;
    content_.redelivered = deliver->redelivered;
  } else if (const auto* get = std::get_if<amqp::BasicGetOk>(&method)) {
    content_kind_ = 2;
    content_.tag = get->delivery_tag;
    content_.redelivered = get->redelivered;
  }
}

void Client::on_content_end(std::uint16_t) {
  if (content_kind_ == 1) deliveries.push_back(std::move(content_));
  if (content_kind_ == 2) got.push_back(std::move(content_));
  if (content_kind_ != 0) return;
  ++returned;
  order.push_back("return");
}

void Client::on_channel_closed(std::uint16_t channel, const amqp::ChannelClose* by_peer) {
  closed[channel] = by_peer ? by_peer->reply_code : 0;
}

void Client::on_ended(const Ended& why) {
  ended = why;
  over = true;
}

World::World(unsigned shards, std::function<void(BrokerConfig&)> adjust) {
  BrokerConfig config;
  config.shards = shards;
  UserSpec guest;
  guest.name = "guest";
  guest.password_hash = hash_password("guest");
  guest.permissions.push_back({});
  config.users = *Users::build({guest});
  config.make_store = [](unsigned, StoreOwner) {
    return std::unique_ptr<MessageStore>(std::make_unique<MemoryStore>());
  };
  if (adjust) adjust(config);
  broker_ = std::make_unique<Broker>(std::move(config));
  if (auto started = broker_->start(net::Address{"127.0.0.1", 0}); !started)
    throw std::runtime_error(started.error().message);
}

Client& World::connect(std::string vhost) {
  Client& client = *clients_.emplace_back(std::make_unique<Client>(broker_->address().port, std::move(vhost)));
  if (!until([&] { return client.ready; })) throw std::runtime_error("not ready");
  client.open(1);
  if (!until([&] { return client.answers["channel.open-ok"] == 1; })) throw std::runtime_error("no channel");
  return client;
}

bool World::until(const std::function<bool()>& condition) {
  const Monotonic deadline = now() + std::chrono::seconds(60);
  while (true) {
    for (auto& client : clients_) client->move();
    if (condition()) return true;
    if (now() > deadline) return false;
    std::vector<pollfd> sockets;
    for (auto& client : clients_) sockets.push_back({client->socket(), POLLIN, 0});
    ::poll(sockets.data(), sockets.size(), 10);
  }
}

void World::declare(Client& client, std::string_view queue, amqp::Table arguments, bool exclusive, bool auto_delete) {
  const std::string raw = amqp::encode_table(arguments);
  amqp::QueueDeclare method;
  method.queue = queue;
  method.exclusive = exclusive;
  method.auto_delete = auto_delete;
  method.arguments = {raw};
  call(client, 1, method, "queue.declare-ok");
}

void World::consume(Client& client, std::uint16_t channel, std::string_view queue, std::string_view tag, bool no_ack) {
  amqp::BasicConsume method;
  method.queue = queue;
  method.consumer_tag = tag;
  method.no_ack = no_ack;
  call(client, channel, method, "basic.consume-ok");
}

std::uint32_t World::ready(Client& client, std::string_view queue) {
  amqp::QueueDeclare method;
  method.queue = queue;
  method.passive = true;
  call(client, 1, method, "queue.declare-ok");
  return client.last_count;
}

void World::forget(Client& client) {
  std::erase_if(clients_, [&](const auto& each) { return each.get() == &client; });
}

}  // namespace wherry::broker::test
