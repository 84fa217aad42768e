// The channels of a connection: open, content, close, and what is said on them.
#include <utility>

#include <fmt/format.h>

#include "protocol/amqp/connection_core.h"

namespace wherry::amqp {

namespace {

constexpr std::uint16_t connection_class = 10;
constexpr std::uint16_t channel_class = 20;

bool is(const FrameHeader& frame, FrameType type) {
  return frame.type == static_cast<std::uint8_t>(type);
}

AmqpError unexpected(std::string text, MethodId offender = {}) {
  return {ReplyCode::unexpected_frame, std::move(text), offender};
}

AmqpError unimplemented(const Method& method) {
  return {ReplyCode::command_invalid, "unimplemented method", id_of(method)};
}

}  // namespace

ConnectionCore::Channel* ConnectionCore::find(std::uint16_t number) {
  return number < channels_.size() ? channels_[number].get() : nullptr;
}
const ConnectionCore::Channel* ConnectionCore::find(std::uint16_t number) const {
  return number < channels_.size() ? channels_[number].get() : nullptr;
}

ConnectionCore::Channel& ConnectionCore::make(std::uint16_t number) {
  if (number >= channels_.size()) channels_.resize(number + 1u);
  if (!channels_[number]) channels_[number] = std::make_unique<Channel>();
  return *channels_[number];
}

void ConnectionCore::reset(Channel& channel) {
  channel.state = Channel::State::closed;
  channel.expect = Channel::Expect::method;
  channel.body_left = 0;
  channel.peer_close.reset();
}

// --- frames ---------------------------------------------------------------------------------------------------------

void ConnectionCore::on_channel_frame(const FrameHeader& frame, std::string_view payload) {
  Channel* channel = find(frame.channel);
  if (!channel || channel->state == Channel::State::closed) return on_closed_channel_frame(frame, payload);
  if (channel->state == Channel::State::closing) return on_closing_channel_frame(frame, *channel, payload);
  using Expect = Channel::Expect;
  switch (channel->expect) {
    case Expect::method:
      if (is(frame, FrameType::method)) return on_method_frame(frame.channel, *channel, payload);
      break;
    case Expect::header:
      if (is(frame, FrameType::header)) return on_header_frame(frame.channel, *channel, payload);
      break;
    case Expect::body:
      if (is(frame, FrameType::body)) return on_body_frame(frame.channel, *channel, payload);
      break;
  }
  fail_for_order(*channel);
}

void ConnectionCore::fail_for_order(const Channel& channel) {
  using Expect = Channel::Expect;
  switch (channel.expect) {
    case Expect::method:
      return fail(unexpected("expected method frame, got non method frame instead"));
    case Expect::header:
      return fail(unexpected(
          fmt::format("expected content header for class {}, got non content header frame instead", basic_class),
          id_of(channel.method)));
    case Expect::body:
      return fail(unexpected("expected content body, got non content body frame instead", id_of(channel.method)));
  }
}

void ConnectionCore::on_closed_channel_frame(const FrameHeader& frame, std::string_view payload) {
  if (tuning_.channel_max != 0 && frame.channel > tuning_.channel_max) {
    return fail(
        {ReplyCode::not_allowed,
         fmt::format("channel number {} is above the negotiated channel_max ({})", frame.channel, tuning_.channel_max),
         {}});
  }
  if (!is(frame, FrameType::method)) {
    return fail(unexpected("expected method frame, got non method frame instead"));
  }
  if (auto decoded = decode_method_into(payload, scratch_); !decoded) return fail(decoded.error());
  if (side_ == Side::server && std::holds_alternative<ChannelOpen>(scratch_)) {
    Result<void, AmqpError> allowed;
    emit([&] { allowed = events_.on_channel_open(frame.channel); });
    if (!allowed) return fail(allowed.error());
    Channel& channel = make(frame.channel);
    reset(channel);
    channel.state = Channel::State::open;
    channel.told = false;
    write_method_frame(out_, frame.channel, ChannelOpenOk{});
    sent_ = true;
    return emit([&] { events_.on_method(frame.channel, scratch_); });
  }
  // Closes that crossed leave an answer to nothing.
  if (std::holds_alternative<ChannelCloseOk>(scratch_)) return;
  fail({ReplyCode::channel_error, "expected 'channel.open'", id_of(scratch_)});
}

// We sent channel.close: whatever the peer said before it read that is nobody's concern.
void ConnectionCore::on_closing_channel_frame(const FrameHeader& frame, Channel& channel, std::string_view payload) {
  if (!is(frame, FrameType::method) || load_big<std::uint16_t>(payload.data()) != channel_class) return;
  if (auto decoded = decode_method_into(payload, scratch_); !decoded) return fail(decoded.error());
  if (const auto* close = std::get_if<ChannelClose>(&scratch_)) {
    write_method_frame(out_, frame.channel, ChannelCloseOk{});
    sent_ = true;
    if (!channel.told && !channel.peer_close) {
      channel.peer_close = std::make_unique<PeerClose>(
          PeerClose{close->reply_code, std::string(close->reply_text), {close->class_id, close->method_id}});
    }
  } else if (std::holds_alternative<ChannelCloseOk>(scratch_)) {
    tell_gone(frame.channel, channel, std::move(channel.peer_close));
    reset(channel);
  }
}

void ConnectionCore::on_method_frame(std::uint16_t number, Channel& channel, std::string_view payload) {
  auto class_id = load_big<std::uint16_t>(payload.data());
  if (auto decoded = decode_method_into(payload, channel.method); !decoded) return fail(decoded.error());
  Method& method = channel.method;
  if (class_id == connection_class) return fail(unimplemented(method));
  if (class_id == channel_class) return on_own_class(number, channel, method);
  if (channel.state != Channel::State::open) {
    return fail({ReplyCode::channel_error, "expected 'channel.open-ok'", id_of(method)});
  }
  Sender wrong = side_ == Side::server ? Sender::server : Sender::client;
  if (sender_of(method) == wrong) return fail(unimplemented(method));
  if (carries_content(method)) {
    channel.expect = Channel::Expect::header;
    channel.payload = payload;
    unfinished_.push_back(number);
    return;
  }
  emit([&] { events_.on_method(number, method); });
}

void ConnectionCore::on_own_class(std::uint16_t number, Channel& channel, const Method& method) {
  if (const auto* close = std::get_if<ChannelClose>(&method)) return on_peer_channel_close(number, channel, *close);
  if (const auto* flow = std::get_if<ChannelFlow>(&method)) {
    if (side_ == Side::server && !flow->active) {
      return fail({ReplyCode::not_implemented, "active=false", ChannelFlow::id});
    }
    write_method_frame(out_, number, ChannelFlowOk{flow->active});
    sent_ = true;
    if (side_ == Side::client) emit([&] { events_.on_method(number, method); });
    return;
  }
  if (side_ == Side::server) {
    if (std::holds_alternative<ChannelOpen>(method)) {
      return fail({ReplyCode::channel_error, "second 'channel.open' seen", ChannelOpen::id});
    }
    return fail(unimplemented(method));
  }
  if (std::holds_alternative<ChannelOpenOk>(method) && channel.state == Channel::State::opening) {
    channel.state = Channel::State::open;
    return emit([&] { events_.on_method(number, method); });
  }
  fail(unimplemented(method));
}

void ConnectionCore::on_peer_channel_close(std::uint16_t number, Channel& channel, const ChannelClose& close) {
  write_method_frame(out_, number, ChannelCloseOk{});
  sent_ = true;
  // The views in close stay good: the frame and channel.method are not touched until the next one.
  reset(channel);
  channel.told = true;
  emit([&] {
    if (side_ == Side::server) events_.on_method(number, channel.method);
    events_.on_channel_closed(number, &close);
  });
}

// --- content --------------------------------------------------------------------------------------------------------

void ConnectionCore::on_header_frame(std::uint16_t number, Channel& channel, std::string_view payload) {
  auto class_id = load_big<std::uint16_t>(payload.data());
  auto weight = load_big<std::uint16_t>(payload.data() + 2);
  ContentHeader& header = header_;
  header.body_size = load_big<std::uint64_t>(payload.data() + 4);
  header.properties = payload.substr(content_header_fixed_size);
  if (weight != 0 || class_id != basic_class) return fail_for_header(channel, class_id, weight);
  if (auto viewed = view_properties_into(header.properties, header.view); !viewed) {
    return fail({ReplyCode::syntax_error, std::move(viewed.error().message), id_of(channel.method)});
  }
  if (header.body_size > max_message_size_) return close_for_size(number, channel);
  channel.body_left = header.body_size;
  channel.expect = Channel::Expect::body;
  emit([&] { events_.on_content(number, channel.method, header); });
  if (header.body_size == 0 && channel.state == Channel::State::open) {
    channel.expect = Channel::Expect::method;
    emit([&] { events_.on_content_end(number); });
  }
}

void ConnectionCore::fail_for_header(const Channel& channel, std::uint16_t class_id, std::uint16_t weight) {
  if (weight != 0) {
    return fail(unexpected(
        fmt::format("expected content header for class {}, got non content header frame instead", basic_class),
        id_of(channel.method)));
  }
  fail(unexpected(
      fmt::format("expected content header for class {}, got one for class {} instead", basic_class, class_id),
      id_of(channel.method)));
}

void ConnectionCore::close_for_size(std::uint16_t number, const Channel& channel) {
  close_channel(number, {ReplyCode::precondition_failed,
                         fmt::format("message size {} is larger than configured max size {}", header_.body_size,
                                     max_message_size_),
                         id_of(channel.method)});
}

void ConnectionCore::fail_for_excess(const Channel& channel, std::size_t size) {
  fail({ReplyCode::frame_error,
        fmt::format("content body frame of {} bytes where {} bytes of the announced body are left", size,
                    channel.body_left),
        id_of(channel.method)});
}

void ConnectionCore::on_body_frame(std::uint16_t number, Channel& channel, std::string_view payload) {
  if (payload.size() > channel.body_left) return fail_for_excess(channel, payload.size());
  if (payload.empty()) return;
  channel.body_left -= payload.size();
  bool last = channel.body_left == 0;
  emit([&] { events_.on_body(number, payload); });
  if (last && channel.state == Channel::State::open) {
    channel.expect = Channel::Expect::method;
    emit([&] { events_.on_content_end(number); });
  }
}

// The bytes of this receive() go away: methods that wait for their content header move to memory of their own.
void ConnectionCore::keep_unfinished() {
  for (std::uint16_t number : unfinished_) {
    Channel* channel = find(number);
    if (channel->state != Channel::State::open || channel->expect != Channel::Expect::header) continue;
    if (channel->payload.data() == channel->kept.data()) continue;
    channel->kept.assign(channel->payload);
    channel->payload = channel->kept;
    bool again = decode_method_into(channel->payload, channel->method).has_value();
    WHERRY_ASSERT(again);
  }
  unfinished_.clear();
}

// --- what the owner asks --------------------------------------------------------------------------------------------

bool ConnectionCore::is_open(std::uint16_t number) const {
  const Channel* channel = find(number);
  return channel && phase_ == Phase::running && channel->state == Channel::State::open;
}

void ConnectionCore::send_method(std::uint16_t number, const Method& method) {
  if (number == 0 ? phase_ != Phase::running : !is_open(number)) return;
  write_method_frame(out_, number, method);
  sent_ = true;
}

void ConnectionCore::send_content(std::uint16_t number, const Method& method, std::string_view raw_properties,
                                  std::string_view body, Pin (*make_pin)(const void*), const void* context) {
  if (!is_open(number)) return;
  write_content(out_, number, method, raw_properties, body, frame_max_, make_pin, context);
  sent_ = true;
}

void ConnectionCore::send_content(std::uint16_t number, const BasicDeliver& method, std::string_view raw_properties,
                                  std::string_view body, Pin (*make_pin)(const void*), const void* context) {
  if (!is_open(number)) return;
  write_content(out_, number, method, raw_properties, body, frame_max_, make_pin, context);
  sent_ = true;
}

void ConnectionCore::open_channel(std::uint16_t number) {
  WHERRY_ASSERT(side_ == Side::client && number != 0);
  WHERRY_ASSERT(tuning_.channel_max == 0 || number <= tuning_.channel_max);
  if (phase_ != Phase::running) return;
  Channel& channel = make(number);
  WHERRY_ASSERT(channel.state == Channel::State::closed);
  reset(channel);
  channel.state = Channel::State::opening;
  channel.told = false;
  write_method_frame(out_, number, ChannelOpen{});
  sent_ = true;
}

void ConnectionCore::close_channel(std::uint16_t number, const AmqpError& error) {
  if (number == 0 || error.closes_connection()) return close(error);
  if (!is_open(number)) return;
  Channel& channel = *find(number);
  bool clean = error.code == ReplyCode::success;
  std::string text = clean ? error.explanation.substr(0, short_string_max) : reply_text(error.code, error.explanation);
  ChannelClose close;
  close.reply_code = static_cast<std::uint16_t>(error.code);
  close.reply_text = text;
  close.class_id = error.offender.class_id;
  close.method_id = error.offender.method_id;
  write_method_frame(out_, number, close);
  sent_ = true;
  reset(channel);
  channel.state = Channel::State::closing;
  if (side_ == Side::server) tell_gone(number, channel, nullptr);
  settle();
}

void ConnectionCore::tell_gone(std::uint16_t number, Channel& channel, std::unique_ptr<PeerClose> by_peer) {
  if (std::exchange(channel.told, true)) return;
  gone_.push_back({number, std::move(by_peer)});
}

void ConnectionCore::tell_all_gone() {
  for (std::size_t number = 0; number < channels_.size(); ++number) {
    Channel* channel = channels_[number].get();
    if (!channel || channel->state == Channel::State::closed) continue;
    tell_gone(static_cast<std::uint16_t>(number), *channel, std::move(channel->peer_close));
    reset(*channel);
  }
}

}  // namespace wherry::amqp
