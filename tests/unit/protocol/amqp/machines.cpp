#include "tests/unit/protocol/amqp/machines.h"

#include <fmt/format.h>

namespace wherry::amqp::test {

std::string method_frame(std::uint16_t channel, const Method& method) {
  OutputBuffer out;
  write_method_frame(out, channel, method);
  return out.to_string();
}

std::string frame(unsigned type, std::uint16_t channel, std::string_view payload) {
  OutputBuffer out;
  write_frame(out, static_cast<FrameType>(type), channel, payload);
  return out.to_string();
}

std::string header_frame(std::uint16_t channel, std::uint64_t body_size, std::string_view properties,
                         std::uint16_t class_id) {
  std::string payload;
  ByteWriter to(payload);
  to.u16(class_id);
  to.u16(0);
  to.u64(body_size);
  to.bytes(properties);
  return frame(2, channel, payload);
}

Lines frames_in(std::string_view bytes) {
  Lines lines;
  if (bytes.starts_with("AMQP")) {
    lines.push_back("AMQP");
    bytes.remove_prefix(8);
  }
  while (bytes.size() >= frame_header_size) {
    FrameHeader header = read_frame_header(bytes.data());
    std::string_view payload = bytes.substr(frame_header_size, header.size);
    switch (header.type) {
      case 1: {
        auto method = decode_method(payload);
        lines.push_back(fmt::format("{} {}", header.channel, method ? to_string(*method) : "bad method"));
        break;
      }
      case 2:
        lines.push_back(fmt::format("{} header {}", header.channel, load_big<std::uint64_t>(payload.data() + 4)));
        break;
      case 3:
        lines.push_back(fmt::format("{} body {}", header.channel, payload.size()));
        break;
      case 8:
        lines.push_back(fmt::format("{} heartbeat", header.channel));
        break;
      default:
        lines.push_back(fmt::format("{} type {}", header.channel, header.type));
    }
    bytes.remove_prefix(header.size + frame_overhead);
  }
  if (!bytes.empty()) lines.push_back("half a frame");
  return lines;
}

template <class Base>
void Recording<Base>::on_method(std::uint16_t channel, const Method& method) {
  note(fmt::format("{} {}", channel, to_string(method)));
}
template <class Base>
void Recording<Base>::on_content(std::uint16_t channel, const Method& method, const ContentHeader& header) {
  bodies.clear();
  note(fmt::format("{} content {} {}", channel, to_string(method), header.body_size));
}
template <class Base>
void Recording<Base>::on_body(std::uint16_t channel, std::string_view fragment) {
  bodies += fragment;
  note(fmt::format("{} body {}", channel, fragment.size()));
}
template <class Base>
void Recording<Base>::on_content_end(std::uint16_t channel) {
  note(fmt::format("{} end", channel));
}
template <class Base>
void Recording<Base>::on_channel_closed(std::uint16_t channel, const ChannelClose* by_peer) {
  note(by_peer ? fmt::format("{} closed by peer {} {}", channel, by_peer->reply_code, by_peer->reply_text)
               : fmt::format("{} closed", channel));
}
template <class Base>
void Recording<Base>::on_ended(const ConnectionEvents::Ended& why) {
  ended = why;
  note(fmt::format("ended {} {}{}{}", why.code, why.text, why.by_peer ? " (by peer)" : "", why.lost ? " (lost)" : ""));
}
template struct Recording<ServerEvents>;
template struct Recording<ClientEvents>;

ServerEvents::Login ServerOwner::on_login(std::string_view mechanism, std::string_view response, const Table&) {
  note(fmt::format("login {} {}", mechanism, to_string(FieldValue(std::string(response)))));
  Login verdict = logins.front();
  if (logins.size() > 1) logins.erase(logins.begin());
  return verdict;
}

Result<void, AmqpError> ServerOwner::on_open(std::string_view virtual_host, const Tuning& agreed) {
  note(fmt::format("open {} {} {} {}", virtual_host, agreed.channel_max, agreed.frame_max, agreed.heartbeat_s));
  return open;
}

void ClientOwner::on_ready(const Table& server_properties, const Tuning& agreed) {
  note(fmt::format("ready {} {} {} {}", to_string(server_properties), agreed.channel_max, agreed.frame_max,
                   agreed.heartbeat_s));
}

std::string Party::written() {
  std::string bytes = out.to_string();
  out.clear();
  return bytes;
}

void Party::give(std::string_view bytes, Monotonic now) {
  input += bytes;
  // A copy of the exact size, so that a view kept too long is caught by the address sanitizer.
  std::unique_ptr<char[]> exact(new char[input.size()]);
  std::copy(input.begin(), input.end(), exact.get());
  input.erase(0, connection->receive({exact.get(), input.size()}, now));
}

Lines Server::answers(std::string_view bytes) {
  give(bytes);
  return frames_in(written());
}
Lines Client::answers(std::string_view bytes) {
  give(bytes);
  return frames_in(written());
}

void Server::run() {
  if (!connection) start();
  give(protocol_header);
  give(method_frame(0, ConnectionStartOk{.client_properties = {}, .mechanism = "PLAIN", .response = {}, .locale = {}}));
  give(
      method_frame(0, ConnectionTuneOk{config.tuning.channel_max, config.tuning.frame_max, config.tuning.heartbeat_s}));
  give(method_frame(0, ConnectionOpen{.virtual_host = "/", .reserved_1 = {}}));
  written();
  owner.take();
}

void Client::run() {
  if (!connection) start();
  give(method_frame(0, ConnectionStart{.server_properties = {}, .mechanisms = {"PLAIN"}, .locales = {"en_US"}}));
  give(method_frame(0, ConnectionTune{2047, 131072, 60}));
  give(method_frame(0, ConnectionOpenOk{}));
  written();
  owner.take();
}

void Server::open_channel(std::uint16_t channel) {
  give(method_frame(channel, ChannelOpen{}));
  written();
  owner.take();
}

void Client::open_channel(std::uint16_t channel) {
  connection->open_channel(channel);
  give(method_frame(channel, ChannelOpenOk{}));
  written();
  owner.take();
}

void Server::pass(std::chrono::milliseconds time) {
  now += time;
  if (now >= connection->next_deadline()) connection->on_time(now);
}
void Client::pass(std::chrono::milliseconds time) {
  now += time;
  if (now >= connection->next_deadline()) connection->on_time(now);
}

void Pair::start() {
  server.start();
  client.start();
}

void Pair::exchange() {
  auto carry = [&](Party& from, auto& to, Lines& log) {
    std::string bytes = from.written();
    for (std::string& line : frames_in(bytes)) log.push_back(std::move(line));
    for (std::size_t at = 0; at < bytes.size(); at += piece) to.give(std::string_view(bytes).substr(at, piece));
  };
  while (!server.out.empty() || !client.out.empty()) {
    carry(client, server, to_server);
    carry(server, client, to_client);
  }
}

}  // namespace wherry::amqp::test
