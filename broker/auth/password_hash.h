// Salted password hashes, byte for byte as RabbitMQ writes them in its definitions, so that users move both ways.
//
// Format: base64(salt[4] + SHA-256(salt + UTF-8 password)); "rabbit_password_hashing_sha256" over there.
// Threads: any.
#pragma once

#include <string>
#include <string_view>

namespace wherry::broker {

std::string hash_password(std::string_view password);  // With a fresh random salt.
// False for a wrong password and for a text that is no such hash. Takes the same time wherever the bytes differ.
bool password_matches(std::string_view hash, std::string_view password);

}  // namespace wherry::broker
