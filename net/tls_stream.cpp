#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include "base/assert.h"
#include "net/loop_impl.h"
#include "net/tls.h"
#include "net/tls_error.h"

namespace wherry::net {

namespace asio = boost::asio;

namespace {

struct FreeSsl {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};
using Ssl = std::unique_ptr<SSL, FreeSsl>;

std::string text_of(X509_NAME* name) {
  std::unique_ptr<BIO, void (*)(BIO*)> out(BIO_new(BIO_s_mem()), [](BIO* bio) { BIO_free(bio); });
  X509_NAME_print_ex(out.get(), name, 0, (XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB));
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(out.get(), &bytes);
  return size > 0 ? std::string(bytes, static_cast<std::size_t>(size)) : std::string();
}

// The last one: the most specific, as certificates are written.
std::string common_name_of(X509_NAME* name) {
  int at = -1;
  for (int next; (next = X509_NAME_get_index_by_NID(name, NID_commonName, at)) >= 0;) at = next;
  if (at < 0) return {};
  unsigned char* utf8 = nullptr;
  const int size = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
  if (size < 0) return {};
  std::string text(reinterpret_cast<char*>(utf8), static_cast<std::size_t>(size));
  OPENSSL_free(utf8);
  return text;
}

TlsPeer describe(SSL& ssl) {
  TlsPeer peer;
  peer.protocol = SSL_get_version(&ssl);
  peer.cipher = SSL_get_cipher_name(&ssl);
  X509* certificate = SSL_get1_peer_certificate(&ssl);
  if (certificate == nullptr) return peer;
  peer.verified = SSL_get_verify_mode(&ssl) != SSL_VERIFY_NONE && SSL_get_verify_result(&ssl) == X509_V_OK;
  peer.subject = text_of(X509_get_subject_name(certificate));
  peer.common_name = common_name_of(X509_get_subject_name(certificate));
  X509_free(certificate);
  return peer;
}

// TLS over a stream: bytes in, through two buffers of OpenSSL's, and out. Outlives its stream while a call is under
// way.
class TlsState final : public Flushable, public StreamHandler, public std::enable_shared_from_this<TlsState> {
 public:
  using Shaken = std::function<void(std::optional<std::string> failure)>;

  TlsState(EventLoop& loop, std::unique_ptr<Stream> plain, TlsContextRef context, Ssl ssl)
      : loop_(loop.impl()), plain_(std::move(plain)), context_(std::move(context)), ssl_(std::move(ssl)) {
    // SSL owns both.
    SSL_set_bio(ssl_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  }

  // Calls shaken once, not from within shake(); nothing: the stream is ready.
  void shake(Shaken shaken) {
    shaken_ = std::move(shaken);
    plain_->start(*this);
    asio::post(loop_.io, [self = shared_from_this()] { self->go_on_shaking(); });
  }

  void start(StreamHandler& handler) {
    handler_ = &handler;
    paused_ = true;
    read_on();  // What came with the last of the handshake.
  }

  OutputBuffer& out() { return out_; }

  void flush_soon() {
    if (queued_ || !open_) return;
    queued_ = true;
    loop_.dirty.push_back(shared_from_this());
  }

  void pause_reading() {
    paused_ = true;
    plain_->pause_reading();
  }

  void read_on() {
    if (!paused_ && kept_.empty()) return;
    paused_ = false;
    if (offer_posted_) return;
    // In a turn of its own, so that a handler may call read_on() from inside on_data().
    offer_posted_ = true;
    asio::post(loop_.io, [self = shared_from_this()] {
      self->offer_posted_ = false;
      if (!self->kept_.empty()) self->offer();
      self->decrypt();
      if (self->open_ && !self->paused_) self->plain_->read_on();
    });
  }

  void close_after(std::chrono::milliseconds linger, bool peer_first) {
    if (!open_) return;
    encrypt(true);
    SSL_shutdown(ssl_.get());
    ERR_clear_error();
    pass_on();
    end();
    if (peer_first) {
      plain_->close_after_peer(linger);
    } else {
      plain_->close_after_flush(linger);
    }
  }

  void close() {
    if (!open_) return;
    end();
    plain_->close();
  }

  const Stream& plain() const { return *plain_; }
  const TlsPeer& peer() const { return peer_; }

  // --- Flushable ---
  void flush() override {
    queued_ = false;
    if (!open_ || shaken_) return;
    was_above_mark_ = was_above_mark_ || out_.size() > low_mark;
    encrypt(false);
    if (open_ && out_.size() <= low_mark) tell_writable();
  }
  void read_next_turn() override {}

 private:
  // As for any stream; and of what is encrypted, so much waits for the socket at most.
  static constexpr std::size_t low_mark = 64 * 1024;
  static constexpr std::size_t record_size = 16 * 1024;

  // --- StreamHandler, of the plain stream ---
  std::size_t on_data(std::string_view bytes) override {
    const auto self = shared_from_this();
    BIO_write(SSL_get_rbio(ssl_.get()), bytes.data(), static_cast<int>(bytes.size()));
    if (shaken_) {
      go_on_shaking();
    } else {
      decrypt();
    }
    return bytes.size();
  }
  void on_lost(std::string_view reason) override {
    const auto self = shared_from_this();
    lose(std::string(reason));
  }
  void on_writable() override {
    const auto self = shared_from_this();
    flush();
  }

  void go_on_shaking() {
    if (!open_ || !shaken_) return;
    ERR_clear_error();
    const int done = SSL_do_handshake(ssl_.get());
    const int error = SSL_get_error(ssl_.get(), done);
    pass_on();
    if (done == 1) {
      peer_ = describe(*ssl_);
      paused_ = true;
      plain_->pause_reading();  // Until there is somebody to read for.
      return std::exchange(shaken_, nullptr)({});
    }
    if (error == SSL_ERROR_WANT_READ) return;
    // The alert that says why is still to be written.
    const bool judged = SSL_get_verify_mode(ssl_.get()) != SSL_VERIFY_NONE;
    const long verdict = judged ? SSL_get_verify_result(ssl_.get()) : X509_V_OK;
    std::string why = verdict == X509_V_OK ? tls_error() : X509_verify_cert_error_string(verdict);
    ERR_clear_error();
    const Shaken shaken = std::exchange(shaken_, nullptr);
    end();
    plain_->close_after_flush();
    shaken("TLS: " + why);
  }

  // Reads until there is no whole record, or nobody takes more.
  void decrypt() {
    const auto self = shared_from_this();
    while (open_ && !paused_ && handler_ != nullptr) {
      const std::size_t had = kept_.size();
      kept_.resize(had + record_size);
      ERR_clear_error();
      const int got = SSL_read(ssl_.get(), kept_.data() + had, static_cast<int>(record_size));
      kept_.resize(had + static_cast<std::size_t>(std::max(got, 0)));
      if (got > 0) {
        if (kept_.size() >= low_mark) offer();
        continue;
      }
      const int error = SSL_get_error(ssl_.get(), got);
      std::string why = error == SSL_ERROR_ZERO_RETURN ? "closed by the peer" : "TLS: " + tls_error();
      pass_on();
      if (kept_.size() > 0) offer();
      if (error == SSL_ERROR_WANT_READ) return;
      return lose(std::move(why));
    }
  }

  void offer() {
    const auto self = shared_from_this();
    if (!open_ || handler_ == nullptr) return;
    std::string bytes;
    bytes.swap(kept_);
    const std::size_t used = handler_->on_data(bytes);
    WHERRY_ASSERT(used <= bytes.size());
    if (!open_ || used == bytes.size()) return;
    bytes.erase(0, used);
    kept_.swap(bytes);
    // What was not taken comes again with more behind it, or after read_on(): a handler that wants neither has paused.
  }

  void encrypt(bool all) {
    char record[record_size];
    while (open_ && out_.sendable() > 0 && (all || plain_->out().size() <= low_mark)) {
      iovec pieces[16];
      const int count = out_.gather(pieces, 16);
      std::size_t size = 0;
      for (int i = 0; i < count && size < record_size; ++i) {
        const std::size_t part = std::min(pieces[i].iov_len, record_size - size);
        std::memcpy(record + size, pieces[i].iov_base, part);
        size += part;
      }
      ERR_clear_error();
      if (SSL_write(ssl_.get(), record, static_cast<int>(size)) <= 0) return lose("TLS: " + tls_error());
      out_.consume(size);
      pass_on();
    }
  }

  // What OpenSSL has written, to the socket.
  void pass_on() {
    BIO* written = SSL_get_wbio(ssl_.get());
    char* bytes = nullptr;
    const long size = BIO_get_mem_data(written, &bytes);
    if (size <= 0) return;
    plain_->out().append(bytes, static_cast<std::size_t>(size));
    BIO_reset(written);
    plain_->flush_soon();
  }

  // In a turn of its own: a producer that fills the buffer each time must not keep the others waiting.
  void tell_writable() {
    if (!std::exchange(was_above_mark_, false)) return;
    asio::post(loop_.io, [self = shared_from_this()] {
      if (self->open_ && self->handler_) self->handler_->on_writable();
    });
  }

  void end() {
    open_ = false;
    handler_ = nullptr;
    out_.clear();
    kept_.clear();
  }

  void lose(std::string reason) {
    if (!open_) return;
    StreamHandler* handler = handler_;
    const Shaken shaken = std::exchange(shaken_, nullptr);
    end();
    plain_->close();
    if (shaken) shaken(std::move(reason));
    if (handler) handler->on_lost(reason);
  }

  EventLoop::Impl& loop_;
  const std::unique_ptr<Stream> plain_;
  const TlsContextRef context_;
  const Ssl ssl_;
  Shaken shaken_;  // While the handshake goes on.
  StreamHandler* handler_ = nullptr;
  TlsPeer peer_;
  OutputBuffer out_;
  std::string kept_;  // Decrypted, and not taken yet.
  bool open_ = true;
  bool queued_ = false;
  bool paused_ = false;
  bool offer_posted_ = false;
  bool was_above_mark_ = false;  // out() was above low_mark, and nobody was told yet that it no longer is.
};

class TlsStream final : public Stream {
 public:
  explicit TlsStream(std::shared_ptr<TlsState> state) : state_(std::move(state)) {}
  ~TlsStream() override { state_->close(); }

  void start(StreamHandler& handler) override { state_->start(handler); }
  OutputBuffer& out() override { return state_->out(); }
  void flush_soon() override { state_->flush_soon(); }
  void pause_reading() override { state_->pause_reading(); }
  void read_on() override { state_->read_on(); }
  bool hung_up() const override { return state_->plain().hung_up(); }
  void close_after_flush(std::chrono::milliseconds linger) override { state_->close_after(linger, false); }
  void close_after_peer(std::chrono::milliseconds linger) override { state_->close_after(linger, true); }
  void close() override { state_->close(); }
  Address local() const override { return state_->plain().local(); }
  Address peer() const override { return state_->plain().peer(); }
  const TlsPeer* tls() const override { return &state_->peer(); }

 private:
  const std::shared_ptr<TlsState> state_;
};

using Done = std::function<void(Result<std::unique_ptr<Stream>>)>;

// A handshake and its deadline; for a client also the connect before it.
class Shaking final : public Connecting {
 public:
  Shaking(EventLoop& loop, TlsContextRef context, std::chrono::milliseconds timeout, Done done)
      : state_(std::make_shared<State>(loop, std::move(context), std::move(done))) {
    state_->deadline.set(timeout, [state = state_.get(), timeout] {
      state->finish(fail(fmt::format("{}no TLS handshake within {} ms", state->before, timeout.count())));
    });
  }
  ~Shaking() override { state_->stop(); }

  void connect(const Address& to, std::string name, std::chrono::milliseconds timeout) {
    state_->before = to.text() + ": ";
    if (name.empty()) name = to.host;
    state_->connecting =
        net::connect(state_->loop, to, timeout,
                     [state = state_.get(), name = std::move(name)](Result<std::unique_ptr<Stream>> plain) {
                       const auto kept = state->shared_from_this();
                       const auto gone = std::move(state->connecting);
                       if (!plain) return state->finish(tl::unexpected(plain.error()));
                       state->shake(*std::move(plain), &name);
                     });
  }
  void accept(int socket) { state_->shake(adopt(state_->loop, socket), nullptr); }

 private:
  struct State : std::enable_shared_from_this<State> {
    State(EventLoop& on, TlsContextRef with, Done when_done)
        : loop(on), context(std::move(with)), done(std::move(when_done)), deadline(on) {}

    // server_name: whose certificate we want; null: we are the server.
    void shake(std::unique_ptr<Stream> plain, const std::string* server_name) {
      Ssl ssl(context->make());
      if (ssl == nullptr) return finish(fail(before + "out of memory for TLS"));
      if (server_name == nullptr) {
        SSL_set_accept_state(ssl.get());
      } else {
        SSL_set_connect_state(ssl.get());
        expect(*ssl, *server_name);
      }
      tls = std::make_shared<TlsState>(loop, std::move(plain), context, std::move(ssl));
      tls->shake([weak = weak_from_this()](std::optional<std::string> failure) {
        const auto self = weak.lock();
        if (!self) return;
        if (failure) return self->finish(fail(self->before + *failure));
        self->finish(std::make_unique<TlsStream>(std::exchange(self->tls, nullptr)));
      });
    }

    void expect(SSL& ssl, const std::string& name) const {
      in6_addr ignored;
      const bool number =
          ::inet_pton(AF_INET, name.c_str(), &ignored) == 1 || ::inet_pton(AF_INET6, name.c_str(), &ignored) == 1;
      if (!number) SSL_set_tlsext_host_name(&ssl, name.c_str());
      if (context->config().verify == TlsVerify::none) return;
      if (number) {
        X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(&ssl), name.c_str());
      } else {
        SSL_set1_host(&ssl, name.c_str());
      }
    }

    void finish(Result<std::unique_ptr<Stream>> result) {
      const auto kept = shared_from_this();
      const Done told = std::exchange(done, nullptr);
      stop();
      if (told) told(std::move(result));
    }

    void stop() {
      done = nullptr;
      deadline.cancel();
      connecting.reset();
      if (tls) std::exchange(tls, nullptr)->close();
    }

    EventLoop& loop;
    const TlsContextRef context;
    Done done;
    Timer deadline;
    std::string before;  // Of an error: whom it is about.
    std::unique_ptr<Connecting> connecting;
    std::shared_ptr<TlsState> tls;
  };

  const std::shared_ptr<State> state_;
};

}  // namespace

std::unique_ptr<Connecting> accept_tls(EventLoop& loop, int socket, TlsContextRef context,
                                       std::chrono::milliseconds timeout, Done done) {
  auto shaking = std::make_unique<Shaking>(loop, std::move(context), timeout, std::move(done));
  shaking->accept(socket);
  return shaking;
}

std::unique_ptr<Connecting> connect_tls(EventLoop& loop, const Address& to, TlsContextRef context, std::string name,
                                        std::chrono::milliseconds timeout, Done done) {
  auto shaking = std::make_unique<Shaking>(loop, std::move(context), timeout, std::move(done));
  shaking->connect(to, std::move(name), timeout);
  return shaking;
}

}  // namespace wherry::net
