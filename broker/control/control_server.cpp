#include "broker/control/control_server.h"

#include <map>

#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "broker/control/json.h"
#include "net/stream.h"

namespace wherry::broker::control {

namespace {

constexpr std::size_t most_connections = 16;

// Whoever may read and write the data directory may as well.
bool is_operator(int socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return false;
  return peer.uid == 0 || peer.uid == ::geteuid();
}

class Connection final : public net::StreamHandler {
 public:
  // ended: called once, from inside; the connection is to go in a later turn.
  Connection(const Handler& handler, std::unique_ptr<net::Stream> stream, std::function<void()> ended)
      : handler_(handler), stream_(std::move(stream)), ended_(std::move(ended)) {
    stream_->start(*this);
  }

 private:
  std::size_t on_data(std::string_view bytes) override {
    std::size_t used = 0;
    reading_ = true;
    while (!waiting_ && !over_) {
      const std::string_view rest = bytes.substr(used);
      const std::size_t end = rest.find('\n');
      if (end == rest.npos) {
        if (rest.size() > most_bytes) refuse(fmt::format("a request is longer than {} bytes", most_bytes));
        break;
      }
      used += end + 1;
      request(rest.substr(0, end));
    }
    reading_ = false;
    if (over_) return bytes.size();
    if (waiting_) stream_->pause_reading();
    return used;
  }

  void on_lost(std::string_view) override { end(); }

  void request(std::string_view line) {
    auto parsed = parse_object(line);
    if (!parsed) return refuse("the request is no JSON object: " + parsed.error().message);
    waiting_ = true;
    handler_(*parsed, [this, alive = std::weak_ptr<char>(alive_)](const amqp::Table& answer) {
      if (alive.expired()) return;
      waiting_ = false;
      write(answer);
      if (!reading_) stream_->read_on();
    });
  }

  void refuse(std::string_view why) {
    write(failed(why));
    stream_->close_after_flush(std::chrono::seconds(1));
    end();
  }

  void write(const amqp::Table& answer) {
    stream_->out().append(to_json(answer) + '\n');
    stream_->flush_soon();
  }

  void end() {
    if (std::exchange(over_, true)) return;
    alive_.reset();
    ended_();
  }

  const Handler& handler_;
  std::unique_ptr<net::Stream> stream_;
  std::function<void()> ended_;
  bool reading_ = false;
  bool waiting_ = false;  // An answer is to come.
  bool over_ = false;
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

class Server final : public ControlServer {
 public:
  Server(net::EventLoop& loop, std::filesystem::path path, std::unique_ptr<net::Acceptor> acceptor, Handler handler)
      : loop_(loop), path_(std::move(path)), acceptor_(std::move(acceptor)), handler_(std::move(handler)) {
    acceptor_->start([this](int socket) { adopt(socket); });
  }
  ~Server() override {
    acceptor_->close();
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }

 private:
  void adopt(int socket) {
    const bool many = connections_.size() >= most_connections;
    if (many || !is_operator(socket)) {
      log::warning("control", "a connection to {} was refused: {}", path_.string(),
                   many ? "there are too many" : "it is another user's");
      ::close(socket);
      return;
    }
    const std::uint64_t id = ++last_id_;
    auto ended = [this, id] {
      loop_.post([this, id, alive = std::weak_ptr<char>(alive_)] {
        if (!alive.expired()) connections_.erase(id);
      });
    };
    connections_.emplace(id, std::make_unique<Connection>(handler_, net::adopt(loop_, socket), std::move(ended)));
  }

  net::EventLoop& loop_;
  const std::filesystem::path path_;
  std::unique_ptr<net::Acceptor> acceptor_;
  const Handler handler_;
  std::uint64_t last_id_ = 0;
  std::shared_ptr<char> alive_ = std::make_shared<char>();
  std::map<std::uint64_t, std::unique_ptr<Connection>> connections_;
};

}  // namespace

amqp::Table done(amqp::FieldValue result) {
  amqp::Table answer;
  answer.set("ok", true);
  answer.set("result", std::move(result));
  return answer;
}

amqp::Table failed(std::string_view error) {
  amqp::Table answer;
  answer.set("ok", false);
  answer.set("error", std::string(error));
  return answer;
}

Result<std::unique_ptr<ControlServer>> ControlServer::listen(net::EventLoop& loop, const std::filesystem::path& path,
                                                             Handler handler) {
  std::error_code ignored;
  std::filesystem::remove(path, ignored);
  auto acceptor = net::Acceptor::listen_local(loop, path.string());
  if (!acceptor) return fail("control socket: " + acceptor.error().message);
  return std::make_unique<Server>(loop, path, std::move(*acceptor), std::move(handler));
}

}  // namespace wherry::broker::control
