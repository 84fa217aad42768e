#include "net/http_server.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "net/event_loop.h"
#include "net/http_reader.h"

namespace wherry::net {

namespace {

// Of an answer, or a body, that has to have moved when HttpLimits::progress is over.
constexpr std::size_t least_progress = 64 * 1024;

// How long the next client waits when there are as many as there may be and one has to make room for each. Clients that
// come again at once when they are sent away would else cost a whole core; so it is at most 200 a second, and whoever
// has a request to make is let in after those that came before it.
constexpr std::chrono::milliseconds between_evictions{5};

using ClientId = std::uint64_t;

// What the loop's thread gives to the others, and they take. Threads: any.
class Jobs {
 public:
  struct Job {
    ClientId client;
    HttpRequest request;
  };

  void put(Job job) {
    std::lock_guard lock(mutex_);
    waiting_.push_back(std::move(job));
    changed_.notify_one();
  }
  // None: it is over.
  std::optional<Job> take() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return over_ || !waiting_.empty(); });
    if (over_) return std::nullopt;
    Job job = std::move(waiting_.front());
    waiting_.pop_front();
    return job;
  }
  void end() {
    std::lock_guard lock(mutex_);
    over_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> waiting_;
  bool over_ = false;
};

class Client;

// What a client needs of its server. The loop's thread.
class ClientOwner {
 public:
  virtual const HttpLimits& limits() const = 0;
  virtual const HttpServer::Admit& admit() const = 0;
  virtual EventLoop& loop() = 0;
  virtual void work(ClientId id, HttpRequest request) = 0;
  virtual bool too_much_unread() const = 0;
  virtual void drop(ClientId id) = 0;  // Once the call stack is gone.

 protected:
  ~ClientOwner() = default;
};

// One connection. The loop's thread.
class Client final : public StreamHandler {
 public:
  // shaking: TLS. waiting: for a request, or the rest of it. working: the handler has it. writing: more of the answer
  // is unread than may be while the next request is taken.
  enum class Phase { shaking, waiting, working, writing, over };

  Client(ClientOwner& owner, ClientId id)
      : owner_(owner), id_(id), reader_(owner.limits()), since_(owner.loop().now()), timer_(owner.loop()) {}

  void shake(int socket, const TlsContextRef& tls) {
    phase_ = Phase::shaking;
    shaking_ = accept_tls(owner_.loop(), socket, tls, owner_.limits().head, [this](auto stream) {
      if (stream) return start(std::move(*stream));
      log::debug("http", "{}", stream.error().message);
      end();
    });
  }

  void start(std::unique_ptr<Stream> stream) {
    stream_ = std::move(stream);
    wait_for_request(owner_.limits().head);
    stream_->start(*this);
  }

  void answer(HttpAnswer answer) {
    if (phase_ != Phase::working) return;
    const bool keep = reader_.keep_alive() && !closing_;
    write(std::move(answer), keep);
    if (keep && phase_ == Phase::waiting) stream_->read_on();
  }

  // Closes it unless it waits for its answer, which is then its last.
  void finish() {
    closing_ = true;
    if (phase_ != Phase::working && phase_ != Phase::writing) end();
  }

  Phase phase() const { return phase_; }
  Monotonic since() const { return since_; }  // When it began to be as it is.
  std::size_t unread() const { return stream_ ? stream_->out().size() : 0; }

 private:
  std::size_t on_data(std::string_view bytes) override {
    if (phase_ != Phase::waiting) {
      stream_->pause_reading();
      return 0;
    }
    std::size_t used = 0;
    while (used < bytes.size() && phase_ == Phase::waiting) {
      const HttpReader::State before = reader_.state();
      const std::size_t part = reader_.put(bytes.substr(used));
      used += part;
      if (reader_.state() == HttpReader::State::complete) {
        take_request();
      } else if (reader_.state() == HttpReader::State::refused) {
        write(reader_.refusal(), false);
      } else if (reader_.state() == HttpReader::State::body && before != HttpReader::State::body) {
        look_at_head();
      } else {
        if (before == HttpReader::State::idle) set_deadline(owner_.limits().head);
        if (part == 0) break;
      }
    }
    if (phase_ != Phase::waiting && phase_ != Phase::over) stream_->pause_reading();
    return used;
  }

  void on_lost(std::string_view) override { end(); }

  void on_writable() override {
    if (phase_ != Phase::writing) return;
    wait_for_request(owner_.limits().idle);
    stream_->read_on();
  }

  void look_at_head() {
    if (owner_.admit() && reader_.may_exceed(owner_.limits().unadmitted_bytes)) {
      if (auto refusal = owner_.admit()(with_peer(reader_.head()))) return write(std::move(*refusal), false);
    }
    if (reader_.expects_continue()) {
      stream_->out().append("HTTP/1.1 100 Continue\r\n\r\n");
      stream_->flush_soon();
    }
    moved_ = 0;
    set_deadline(owner_.limits().progress);
  }

  void take_request() {
    HttpRequest request = with_peer(reader_.take());
    is_head_ = request.method == "HEAD";
    enter(Phase::working);
    timer_.cancel();
    if (owner_.too_much_unread()) {
      return answer(http_refusal(503, "service_unavailable", "too many answers are unread: ask again later"));
    }
    owner_.work(id_, std::move(request));
  }

  HttpRequest with_peer(HttpRequest request) const {
    const Address peer = stream_->peer();
    request.peer = peer.host;
    request.loopback = peer.is_loopback() || peer.host.starts_with("::ffff:127.");
    return request;
  }

  void write(HttpAnswer answer, bool keep) {
    OutputBuffer& out = stream_->out();
    out.append(http_head_of(answer, keep));
    if (!is_head_ && answer.status != 204 && !answer.type.empty()) {
      if (answer.body.size() < least_progress) {
        out.append(answer.body);
      } else {
        const auto* kept = new std::string(std::move(answer.body));
        out.append_pinned(*kept, Pin(kept, [](const void* text) { delete static_cast<const std::string*>(text); }));
      }
    }
    is_head_ = false;
    stream_->flush_soon();
    if (!keep) {
      // What is unread is unread for some seconds at most: the deadline is the stream's own only where it lingers.
      if (out.size() <= least_progress) return last_word();
      closing_ = true;
    }
    if (out.size() <= least_progress) return wait_for_request(owner_.limits().idle);
    enter(Phase::writing);
    moved_ = out.size();
    set_deadline(owner_.limits().progress);
  }

  void last_word() {
    stream_->close_after_flush();
    end();
  }

  void wait_for_request(std::chrono::milliseconds at_most) {
    if (closing_) return last_word();
    enter(Phase::waiting);
    set_deadline(at_most);
  }

  void enter(Phase phase) {
    phase_ = phase;
    since_ = owner_.loop().now();
  }

  void set_deadline(std::chrono::milliseconds after) {
    timer_.set(after, [this] { on_deadline(); });
  }

  void on_deadline() {
    if (phase_ == Phase::writing) {
      const std::size_t unread = stream_->out().size();
      if (moved_ - unread < least_progress) return end();
      moved_ = unread;
      return set_deadline(owner_.limits().progress);
    }
    switch (reader_.state()) {
      case HttpReader::State::body:
        if (reader_.body_bytes() - moved_ >= least_progress) {
          moved_ = reader_.body_bytes();
          return set_deadline(owner_.limits().progress);
        }
        [[fallthrough]];
      case HttpReader::State::head:
        return write(http_refusal(408, "request_timeout", "the request did not come in time"), false);
      default:
        return last_word();
    }
  }

  void end() {
    if (phase_ == Phase::over) return;
    enter(Phase::over);
    timer_.cancel();
    owner_.drop(id_);
  }

  ClientOwner& owner_;
  const ClientId id_;
  HttpReader reader_;
  Phase phase_ = Phase::waiting;
  Monotonic since_;
  std::unique_ptr<Connecting> shaking_;
  std::unique_ptr<Stream> stream_;
  Timer timer_;
  std::size_t moved_ = 0;  // Of the body that has come, or of the answer that is unread, when it was last looked at.
  bool is_head_ = false;   // The request under way is a HEAD.
  bool closing_ = false;   // No other request is taken.
};

class Server final : public HttpServer, public ClientOwner {
 public:
  explicit Server(Config config) : config_(std::move(config)) {}

  ~Server() override {
    if (!loop_thread_.joinable()) return;
    // The requests under way are answered, others not taken any more.
    on_loop([this] {
      acceptor_->close();
      // One that ends takes itself out of the map.
      std::vector<Client*> all;
      for (const auto& [id, client] : clients_) all.push_back(client.get());
      for (Client* client : all) client->finish();
    });
    jobs_.end();
    for (std::thread& each : threads_) each.join();
    on_loop([] {});  // Behind the answers, which were posted.
    loop_.stop();
    loop_thread_.join();
  }

  Result<void> start(const Address& at) {
    auto listening = Acceptor::listen(loop_, {at.host.empty() ? "0.0.0.0" : at.host, at.port});
    if (!listening) return tl::unexpected(listening.error());
    acceptor_ = std::move(*listening);
    address_ = acceptor_->address();
    acceptor_->start([this](int socket) { take(socket); });
    loop_thread_ = std::thread([this] { loop_.run(); });
    for (std::size_t i = 0; i < config_.threads; ++i) threads_.emplace_back([this] { serve(); });
    return {};
  }

  Address address() const override { return address_; }

 private:
  // --- ClientOwner ---
  const HttpLimits& limits() const override { return config_.limits; }
  const Admit& admit() const override { return config_.admit; }
  EventLoop& loop() override { return loop_; }
  void work(ClientId id, HttpRequest request) override { jobs_.put({id, std::move(request)}); }
  bool too_much_unread() const override {
    std::size_t unread = 0;
    for (const auto& [id, client] : clients_) unread += client->unread();
    return unread > config_.limits.unread_bytes;
  }
  void drop(ClientId id) override {
    if (const auto found = clients_.find(id); found != clients_.end()) {
      gone_.push_back(std::move(found->second));
      clients_.erase(found);
    }
    if (std::exchange(sweeping_, true)) return;
    loop_.after_turn([this] {
      sweeping_ = false;
      gone_.clear();
    });
  }

  void take(int socket) {
    if (clients_.size() >= config_.limits.connections) {
      acceptor_->rest(between_evictions);
      if (!make_room()) {
        ::close(socket);
        return;
      }
    }
    const ClientId id = ++last_id_;
    Client& client = *(clients_[id] = std::make_unique<Client>(*this, id));
    if (config_.tls) {
      client.shake(socket, config_.tls);
    } else {
      client.start(adopt(loop_, socket));
    }
  }

  // False: everybody waits for an answer, or reads one.
  bool make_room() {
    Client* longest = nullptr;
    for (auto& [id, client] : clients_) {
      if (client->phase() != Client::Phase::shaking && client->phase() != Client::Phase::waiting) continue;
      if (longest == nullptr || client->since() < longest->since()) longest = client.get();
    }
    if (longest != nullptr) longest->finish();
    if (!std::exchange(told_full_, true)) {
      log::warning("http", "{}: {} connections at once, the most there may be: those that are silent make room",
                   address_.text(), config_.limits.connections);
    }
    return longest != nullptr;
  }

  void serve() {
    while (auto job = jobs_.take()) {
      HttpAnswer answer;
      try {
        answer = config_.handler(job->request);
      } catch (const std::exception& error) {
        log::error("http", "{} {} ended with an exception: {}", job->request.method, job->request.target, error.what());
        answer = http_refusal(500, "internal_error", "see the log");
      }
      loop_.post([this, id = job->client, answer = std::make_shared<HttpAnswer>(std::move(answer))] {
        if (const auto found = clients_.find(id); found != clients_.end()) found->second->answer(std::move(*answer));
      });
    }
  }

  // Runs work on the loop's thread and waits for the end of that turn.
  void on_loop(const std::function<void()>& work) {
    std::mutex mutex;
    std::condition_variable changed;
    bool done = false;
    loop_.post([&] {
      work();
      loop_.after_turn([&] {
        std::lock_guard lock(mutex);
        done = true;
        changed.notify_one();
      });
    });
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return done; });
  }

  const Config config_;
  EventLoop loop_;
  std::unique_ptr<Acceptor> acceptor_;
  Address address_;
  Jobs jobs_;
  // The loop's thread.
  ClientId last_id_ = 0;
  std::map<ClientId, std::unique_ptr<Client>> clients_;
  std::vector<std::unique_ptr<Client>> gone_;  // Until the call stack is gone.
  bool sweeping_ = false;
  bool told_full_ = false;

  std::thread loop_thread_;
  std::vector<std::thread> threads_;
};

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::listen(const Address& at, Config config) {
  auto server = std::make_unique<Server>(std::move(config));
  if (auto started = server->start(at); !started) return tl::unexpected(started.error());
  return std::unique_ptr<HttpServer>(std::move(server));
}

}  // namespace wherry::net
