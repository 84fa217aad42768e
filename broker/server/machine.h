// What this process uses and what there is of it. Linux. Threads: any.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace wherry::broker {

// Bytes of memory the process may use: the machine's, or less where a control group (a container, a systemd unit) says
// so. root: where /proc and /sys are looked for.
std::uint64_t memory_there_is(const std::filesystem::path& root = "/");

// Bytes of this process that are in memory now.
std::uint64_t resident_bytes();

// Bytes a process without privileges may still write where path is; nothing when that cannot be told.
std::optional<std::uint64_t> disk_free_bytes(const std::filesystem::path& path);

// Gives what was freed and is resident still back to the system, when that is a quarter of resident or more: an
// allocator keeps it for later. Takes a lock of the allocator for milliseconds. Returns whether it tried.
bool give_back_memory(std::uint64_t resident);

// Connections that this process may have at once: nine tenths of the open files beyond the first hundred, which its
// data wants; as RabbitMQ counts.
std::uint64_t most_connections();

std::string host_name();

// "1.5 GiB", for people.
std::string size_text(std::uint64_t bytes);

}  // namespace wherry::broker
