#include <cerrno>
#include <cstring>
#include <mutex>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include "net/tls.h"
#include "net/tls_error.h"

namespace wherry::net {

namespace {

template <class T, void (*free)(T*)>
struct Freed {
  void operator()(T* object) const { free(object); }
};
using Certificate = std::unique_ptr<X509, Freed<X509, X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY, EVP_PKEY_free>>;
using Store = std::unique_ptr<X509_STORE, Freed<X509_STORE, X509_STORE_free>>;
struct FreeStack {
  void operator()(STACK_OF(X509) * stack) const { sk_X509_pop_free(stack, X509_free); }
};
struct FreeFile {
  void operator()(BIO* file) const { BIO_free(file); }
};
using File = std::unique_ptr<BIO, FreeFile>;

// What the files held when they were read.
struct Material {
  Certificate certificate;
  std::unique_ptr<STACK_OF(X509), FreeStack> chain;
  Key key;
  Store trusted;  // Null: the system's.
};

Result<File> open_file(const std::string& path) {
  errno = 0;
  File file(BIO_new_file(path.c_str(), "r"));
  if (file) return file;
  const int error = errno;
  ERR_clear_error();
  return fail(fmt::format("{}: {}", path, std::strerror(error ? error : EIO)));
}

Result<void> read_certificate(const std::string& path, Material& into) {
  auto file = open_file(path);
  if (!file) return tl::unexpected(file.error());
  into.certificate.reset(PEM_read_bio_X509_AUX(file->get(), nullptr, nullptr, nullptr));
  if (!into.certificate) return fail(fmt::format("{}: no certificate in PEM: {}", path, tls_error()));
  into.chain.reset(sk_X509_new_null());
  while (X509* next = PEM_read_bio_X509(file->get(), nullptr, nullptr, nullptr)) sk_X509_push(into.chain.get(), next);
  ERR_clear_error();  // The file's end is one.
  return {};
}

Result<void> read_key(const std::string& path, Material& into) {
  auto file = open_file(path);
  if (!file) return tl::unexpected(file.error());
  // Nobody is asked for a passphrase.
  into.key.reset(PEM_read_bio_PrivateKey(
      file->get(), nullptr, [](char*, int, int, void*) { return 0; }, nullptr));
  if (!into.key) return fail(fmt::format("{}: no private key in PEM without a passphrase: {}", path, tls_error()));
  if (X509_check_private_key(into.certificate.get(), into.key.get()) != 1) {
    ERR_clear_error();
    return fail(fmt::format("{}: it is not the key of the certificate", path));
  }
  return {};
}

Result<std::shared_ptr<const Material>> read_files(const TlsConfig& config) {
  auto material = std::make_shared<Material>();
  if (!config.certificate.empty()) {
    if (auto read = read_certificate(config.certificate, *material); !read) return tl::unexpected(read.error());
    const std::string& key = config.key.empty() ? config.certificate : config.key;
    if (auto read = read_key(key, *material); !read) return tl::unexpected(read.error());
  }
  if (!config.ca.empty()) {
    if (auto file = open_file(config.ca); !file) return tl::unexpected(file.error());
    material->trusted.reset(X509_STORE_new());
    if (X509_STORE_load_file(material->trusted.get(), config.ca.c_str()) != 1) {
      return fail(fmt::format("{}: no certificates in PEM: {}", config.ca, tls_error()));
    }
  }
  return material;
}

int verify_mode(TlsVerify verify, bool server) {
  if (verify == TlsVerify::none) return SSL_VERIFY_NONE;
  if (verify == TlsVerify::peer || !server) return SSL_VERIFY_PEER;
  return SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
}

}  // namespace

std::string tls_error() {
  const unsigned long code = ERR_peek_last_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  ERR_clear_error();
  return reason == nullptr ? "broken" : reason;
}

struct TlsContext::Impl {
  struct FreeContext {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  };

  Impl(TlsConfig with, bool is_server) : config(std::move(with)), server(is_server) {}

  Result<void> read() {
    auto fresh = read_files(config);
    if (!fresh) return tl::unexpected(fresh.error());
    std::lock_guard lock(mutex);
    material = *std::move(fresh);
    return {};
  }

  void set_up(SSL_CTX& context) {
    SSL_CTX_set_min_proto_version(&context, TLS1_2_VERSION);
    SSL_CTX_set_options(&context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET | SSL_OP_IGNORE_UNEXPECTED_EOF);
    // An idle connection holds no buffers; what is written may move between two attempts.
    SSL_CTX_set_mode(&context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_verify(&context, verify_mode(config.verify, server), nullptr);
    if (config.ca.empty()) SSL_CTX_set_default_verify_paths(&context);
    // A client certificate belongs to one connection: none is taken over from a session before.
    SSL_CTX_set_num_tickets(&context, 0);
    if (server) SSL_CTX_set_session_cache_mode(&context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_cert_cb(
        &context, [](SSL* ssl, void* self) { return static_cast<Impl*>(self)->equip(*ssl) ? 1 : 0; }, this);
  }

  // Of each handshake: what the files held last.
  bool equip(SSL& ssl) {
    std::shared_ptr<const Material> now;
    {
      std::lock_guard lock(mutex);
      now = material;
    }
    if (now->trusted && SSL_set1_verify_cert_store(&ssl, now->trusted.get()) != 1) return false;
    if (!now->certificate) return true;
    return SSL_use_cert_and_key(&ssl, now->certificate.get(), now->key.get(), now->chain.get(), 1) == 1;
  }

  const TlsConfig config;
  const bool server;
  std::mutex mutex;
  std::shared_ptr<const Material> material;
  std::unique_ptr<SSL_CTX, FreeContext> context;
};

TlsContext::TlsContext(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TlsContext::~TlsContext() = default;

Result<TlsContextRef> TlsContext::server(TlsConfig config) {
  if (config.certificate.empty()) return fail("a server wants a certificate, and a key for it");
  if (config.verify != TlsVerify::none && config.ca.empty()) {
    return fail("to verify clients a server wants a ca: who has signed their certificates");
  }
  auto impl = std::make_unique<Impl>(std::move(config), true);
  if (auto read = impl->read(); !read) return tl::unexpected(read.error());
  impl->context.reset(SSL_CTX_new(TLS_server_method()));
  impl->set_up(*impl->context);
  return TlsContextRef(new TlsContext(std::move(impl)));
}

Result<TlsContextRef> TlsContext::client(TlsConfig config) {
  auto impl = std::make_unique<Impl>(std::move(config), false);
  if (auto read = impl->read(); !read) return tl::unexpected(read.error());
  impl->context.reset(SSL_CTX_new(TLS_client_method()));
  impl->set_up(*impl->context);
  return TlsContextRef(new TlsContext(std::move(impl)));
}

Result<void> TlsContext::reload() {
  return impl_->read();
}

const TlsConfig& TlsContext::config() const {
  return impl_->config;
}

ssl_st* TlsContext::make() const {
  SSL* ssl = SSL_new(impl_->context.get());
  // A client's certificate is asked for late, or never: what it trusts must be there before.
  if (ssl != nullptr && !impl_->server) impl_->equip(*ssl);
  return ssl;
}

}  // namespace wherry::net
