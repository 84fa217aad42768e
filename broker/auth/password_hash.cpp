#include "broker/auth/password_hash.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "base/assert.h"

namespace wherry::broker {

namespace {

constexpr std::size_t salt_size = 4;
constexpr std::size_t digest_size = 32;

std::string salted_digest(std::string_view salt, std::string_view password) {
  std::string input(salt);
  input += password;
  std::string output(salt);
  output.resize(salt_size + digest_size);
  unsigned written = 0;
  const int ok = EVP_Digest(input.data(), input.size(), reinterpret_cast<unsigned char*>(output.data()) + salt_size,
                            &written, EVP_sha256(), nullptr);
  WHERRY_ASSERT(ok == 1 && written == digest_size);
  OPENSSL_cleanse(input.data(), input.size());
  return output;
}

std::string to_base64(std::string_view bytes) {
  std::string text(4 * ((bytes.size() + 2) / 3) + 1, '\0');  // EVP_EncodeBlock ends it with a NUL.
  const int size =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                      reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(size));
  return text;
}

}  // namespace

std::string hash_password(std::string_view password) {
  std::string salt(salt_size, '\0');
  const int ok = RAND_bytes(reinterpret_cast<unsigned char*>(salt.data()), static_cast<int>(salt.size()));
  WHERRY_ASSERT(ok == 1);
  return to_base64(salted_digest(salt, password));
}

bool password_matches(std::string_view hash, std::string_view password) {
  constexpr std::size_t encoded_size = 48;  // 36 bytes: no padding.
  if (hash.size() != encoded_size) return false;
  std::string known(salt_size + digest_size, '\0');
  if (EVP_DecodeBlock(reinterpret_cast<unsigned char*>(known.data()),
                      reinterpret_cast<const unsigned char*>(hash.data()),
                      static_cast<int>(hash.size())) != static_cast<int>(known.size())) {
    return false;
  }
  const std::string tried = salted_digest(std::string_view(known).substr(0, salt_size), password);
  return CRYPTO_memcmp(known.data(), tried.data(), known.size()) == 0;
}

}  // namespace wherry::broker
