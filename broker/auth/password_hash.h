// Salted password hashes, byte for byte as RabbitMQ writes them in its definitions, so that users move both ways.
//
// Format: base64(salt[4] + digest(salt + UTF-8 password)), with a name of RabbitMQ's that says which digest. New ones
// are made with SHA-256. Threads: any.
#pragma once

#include <string>
#include <string_view>

namespace wherry::broker {

constexpr std::string_view default_hashing = "rabbit_password_hashing_sha256";

// Also "rabbit_password_hashing_sha512" and "rabbit_password_hashing_md5", for users that come from elsewhere.
bool is_password_hashing(std::string_view name);

std::string hash_password(std::string_view password);  // With a fresh random salt.
// False for a wrong password and for a text that is no such hash. Takes the same time wherever the bytes differ.
bool password_matches(std::string_view hash, std::string_view password, std::string_view hashing = default_hashing);

}  // namespace wherry::broker
