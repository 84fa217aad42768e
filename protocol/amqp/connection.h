// The protocol machine of one AMQP connection, for either side, without a socket: bytes in, events and bytes out.
//
// What it does: the protocol header, the handshake (start, tune, open), frame checks against what was negotiated,
// channel states (open, closing), the assembly of content (method, header, bodies), heartbeats, and the clean close of
// channels and of the connection. What it does not do: decide anything about exchanges, queues or users: it asks its
// Events.
//
// How it is driven: the owner calls receive() with what the socket gave, on_time() when next_deadline() has come, and
// writes out() to the socket whenever it is not empty. When finished() is true the owner writes what is left in out()
// and closes the socket. Any call may have written to out() and moved next_deadline(): the owner looks at both
// afterwards.
//
// When events come: from inside receive(), on_time() and on_socket_lost(). What an event's handler causes
// (close_channel, close) is told after that handler returned, never inside it: a handler may so close the channel it is
// working for. Called from outside any event, close_channel() and close() tell before they return.
//
// Errors of the peer become a close with the right code (AMQP 0-9-1 section 4.10 and RabbitMQ's behaviour); after
// sending channel.close everything on that channel but close-ok is dropped, likewise for the connection.
// Threads: one at a time. Lifetime: config, events and out must outlive it. An event may call any member function
// except receive(), on_time() and the destructor.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/output_buffer.h"
#include "protocol/amqp/constants.h"
#include "protocol/amqp/methods.h"
#include "protocol/amqp/properties.h"
#include "protocol/amqp/table.h"

namespace wherry::amqp {

// Limits of one connection; offered by the server, accepted or lowered by the client. Zero means no limit or none.
struct Tuning {
  std::uint16_t channel_max = 2047;  // Highest channel number.
  std::uint32_t frame_max = 131072;  // Bytes of a whole frame, at least 4096.
  std::uint16_t heartbeat_s = 60;    // Seconds; 0 = none.
};

// The header frame of a content, in place.
struct ContentHeader {
  std::uint64_t body_size = 0;
  std::string_view properties;  // Raw: flags and list, for passing on as they stand. Already checked.
  PropertiesView view;          // The same, taken apart.
};

// What the owner hears. Views live until the call returns.
class ConnectionEvents {
 public:
  // A whole method on an open channel that carries no content. For the server this includes channel.open and
  // channel.close, after the machine answered them (channel.close before its on_channel_closed). The machine's own, and
  // never seen here: handshake, heartbeat, connection.close, channel.flow of a client, and each side's close-ok. On
  // channel 0: connection.update-secret (the server's owner answers it), connection.blocked, unblocked,
  // update-secret-ok.
  virtual void on_method(std::uint16_t channel, const Method& method) = 0;

  // At the server: whether the channel may be opened; on_method then tells of its channel.open. An error closes the
  // connection, and nothing more is heard of the channel.
  virtual Result<void, AmqpError> on_channel_open(std::uint16_t /*channel*/) { return {}; }

  // A method that carries content (publish at the server; return, deliver, get-ok at the client) with its header; then
  // zero or more fragments whose sizes add up to body_size; then the end. Nothing else happens on that channel between;
  // when the channel is closed meanwhile the rest is never told.
  virtual void on_content(std::uint16_t channel, const Method& method, const ContentHeader& header) = 0;
  virtual void on_body(std::uint16_t channel, std::string_view fragment) = 0;
  virtual void on_content_end(std::uint16_t channel) = 0;

  // The channel is gone: by close of either side, by an error, or with its connection (then once per channel that was
  // open, being opened or being closed by us). by_peer: what the peer said in channel.close, or null.
  virtual void on_channel_closed(std::uint16_t channel, const ChannelClose* by_peer) = 0;

  // The connection is over: exactly once, after every channel's on_channel_closed.
  // code 200: a clean close. by_peer: whether the peer began it. lost: no close was exchanged (socket, heartbeat, no
  // answer to our close in time); code is then 0, or that of our own close where one was sent or due.
  struct Ended {
    std::uint16_t code = 0;
    std::string text;
    bool by_peer = false;
    bool lost = false;
  };
  virtual void on_ended(const Ended& why) = 0;

 protected:
  ~ConnectionEvents() = default;
};

struct ServerEvents : ConnectionEvents {
  struct Login {
    enum class Verdict { granted, refused, challenge };
    Verdict verdict = Verdict::refused;
    std::string challenge;  // For connection.secure.
    std::string reason;     // For the close text when refused.
  };
  // mechanism is one of config.mechanisms. Called again with the answer to each challenge.
  virtual Login on_login(std::string_view mechanism, std::string_view response, const Table& client_properties) = 0;
  // Whether the vhost may be opened; an error closes the connection with it (530 where RabbitMQ says so).
  virtual Result<void, AmqpError> on_open(std::string_view virtual_host, const Tuning& agreed) = 0;

 protected:
  ~ServerEvents() = default;
};

struct ClientEvents : ConnectionEvents {
  // connection.open-ok has come: channels may be opened.
  virtual void on_ready(const Table& server_properties, const Tuning& agreed) = 0;

 protected:
  ~ClientEvents() = default;
};

struct ServerConfig {
  Table properties;  // server-properties of connection.start.
  std::vector<std::string> mechanisms{"AMQPLAIN", "PLAIN"};
  Tuning tuning;  // Upper bounds that are offered.
  std::chrono::milliseconds handshake_timeout{10'000};
  std::uint64_t max_message_size = 16u << 20;  // Bytes of a body; above: 406 on the channel.
};

struct ClientConfig {
  Table properties;  // client-properties of start-ok.
  std::string mechanism = "PLAIN";
  std::string response;  // "\0user\0password" for PLAIN.
  std::string virtual_host = "/";
  Tuning tuning;  // What we would like; the server's lower bounds win.
  std::chrono::milliseconds handshake_timeout{10'000};
};

class Connection {
 public:
  static std::unique_ptr<Connection> server(const ServerConfig& config, ServerEvents& events, OutputBuffer& out,
                                            Monotonic now);
  // Writes the protocol header at once.
  static std::unique_ptr<Connection> client(const ClientConfig& config, ClientEvents& events, OutputBuffer& out,
                                            Monotonic now);
  virtual ~Connection() = default;

  // Takes as many whole frames as bytes holds and returns how many bytes were used; the owner keeps the rest and passes
  // it again with more behind it. Bodies are taken frame by frame. Stops early (between frames) after hold() was
  // called.
  virtual std::size_t receive(std::string_view bytes, Monotonic now) = 0;
  // Ask receive() to stop after the frame at hand; the owner calls receive() again when it wants to go on.
  virtual void hold() = 0;

  virtual Monotonic next_deadline() const = 0;  // time_point::max() when there is none.
  virtual void on_time(Monotonic now) = 0;
  // The socket is gone or failed: ends the connection as lost.
  virtual void on_socket_lost(std::string_view reason) = 0;
  virtual bool finished() const = 0;
  // Between the handshake and the first word of the end: channels live.
  virtual bool running() const = 0;
  // It has ended, and no close was exchanged: what on_ended will say, for those who are told that their channel is
  // gone.
  virtual bool lost() const = 0;

  const Tuning& tuning() const { return tuning_; }

  // --- sending; on a channel that is not open they are dropped ---
  template <class M>
  void send(std::uint16_t channel, const M& method) {
    send_method(channel, Method(method));
  }
  virtual void send_method(std::uint16_t channel, const Method& method) = 0;
  // A method with content: the body is split to the negotiated frame size. A large body is gathered, not copied, when
  // make_pin is given: it is called once for each fragment and must keep body alive.
  virtual void send_content(std::uint16_t channel, const Method& method, std::string_view raw_properties,
                            std::string_view body, Pin (*make_pin)(const void* context) = nullptr,
                            const void* context = nullptr) = 0;
  // The same for the method that most contents go out with, without the detour over Method.
  virtual void send_content(std::uint16_t channel, const BasicDeliver& method, std::string_view raw_properties,
                            std::string_view body, Pin (*make_pin)(const void* context) = nullptr,
                            const void* context = nullptr) = 0;

  // Client: sends channel.open; the answer comes as on_method(channel, ChannelOpenOk). The number must be closed and
  // within tuning().channel_max.
  virtual void open_channel(std::uint16_t channel) = 0;
  virtual bool is_open(std::uint16_t channel) const = 0;

  // Sends channel.close (or connection.close where error.closes_connection(), or for channel 0); on_channel_closed
  // follows at once for a server's own error, after close-ok for a client's request. Does nothing on a channel that is
  // not open.
  virtual void close_channel(std::uint16_t channel, const AmqpError& error) = 0;
  // Sends connection.close and waits for close-ok (at most 5 s). The channels are gone at once, the connection then.
  virtual void close(const AmqpError& error) = 0;
  // A clean close with code 200.
  virtual void close_ok(std::string_view text) = 0;

 protected:
  Tuning tuning_;
};

}  // namespace wherry::amqp
