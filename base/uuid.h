// Random (version 4) UUIDs in their usual spelling: task ids, reply queues, server-given names.
// Threads: any; each thread has its own generator, seeded from the system.
#pragma once

#include <string>

namespace wherry {

// 36 characters: "9f0c2b1e-5d34-4c6a-8a63-0c5c7c9d2a11".
std::string make_uuid();

// length random characters of A-Z a-z 0-9 - _ , as RabbitMQ's server-given names have them.
std::string random_name(std::size_t length);

}  // namespace wherry
