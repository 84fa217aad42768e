#include "broker/auth/password_hash.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "base/assert.h"

namespace wherry::broker {

namespace {

constexpr std::size_t salt_size = 4;

const EVP_MD* digest_of(std::string_view hashing) {
  if (hashing == default_hashing) return EVP_sha256();
  if (hashing == "rabbit_password_hashing_sha512") return EVP_sha512();
  if (hashing == "rabbit_password_hashing_md5") return EVP_md5();
  return nullptr;
}

std::string salted_digest(std::string_view salt, std::string_view password, const EVP_MD* digest) {
  std::string input(salt);
  input += password;
  std::string output(salt);
  output.resize(salt_size + static_cast<std::size_t>(EVP_MD_size(digest)));
  unsigned written = 0;
  const int ok = EVP_Digest(input.data(), input.size(), reinterpret_cast<unsigned char*>(output.data()) + salt_size,
                            &written, digest, nullptr);
  WHERRY_ASSERT(ok == 1 && salt_size + written == output.size());
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

bool is_password_hashing(std::string_view name) {
  return digest_of(name) != nullptr;
}

std::string hash_password(std::string_view password) {
  std::string salt(salt_size, '\0');
  const int ok = RAND_bytes(reinterpret_cast<unsigned char*>(salt.data()), static_cast<int>(salt.size()));
  WHERRY_ASSERT(ok == 1);
  return to_base64(salted_digest(salt, password, EVP_sha256()));
}

bool password_matches(std::string_view hash, std::string_view password, std::string_view hashing) {
  const EVP_MD* digest = digest_of(hashing);
  if (digest == nullptr) return false;
  const std::size_t size = salt_size + static_cast<std::size_t>(EVP_MD_size(digest));
  if (hash.size() != 4 * ((size + 2) / 3)) return false;
  std::string known(hash.size(), '\0');  // Padding decodes to NULs behind.
  const int decoded =
      EVP_DecodeBlock(reinterpret_cast<unsigned char*>(known.data()),
                      reinterpret_cast<const unsigned char*>(hash.data()), static_cast<int>(hash.size()));
  if (decoded < static_cast<int>(size)) return false;
  const std::string tried = salted_digest(std::string_view(known).substr(0, salt_size), password, digest);
  return CRYPTO_memcmp(known.data(), tried.data(), size) == 0;
}

}  // namespace wherry::broker
