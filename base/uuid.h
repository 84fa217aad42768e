// UUIDs in their usual spelling, random (version 4): task ids, reply queues, server-given names; or made of a name.
// Threads: any; each thread has its own generator, seeded from the system.
#pragma once

#include <string>
#include <string_view>

namespace wherry {

// 36 characters: "9f0c2b1e-5d34-4c6a-8a63-0c5c7c9d2a11".
std::string make_uuid();
// Of a name (version 8): always and everywhere the same for the same name, another for another. Not secret.
std::string make_uuid(std::string_view name);

// length random characters of A-Z a-z 0-9 - _ , as RabbitMQ's server-given names have them.
std::string random_name(std::size_t length);

}  // namespace wherry
