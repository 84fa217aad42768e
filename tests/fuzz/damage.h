// What the targets of the store share: files that were valid once, and edits as a disk might make them.
//
// An input is: one octet of kind, eight of a seed from which the valid files are made, and edits of eight octets each:
// file, operation, offset (3), length (2), value. So a fuzzer's changes hit the files where it wants, and their
// checksums are right everywhere else. Kind 0 is the exception: what follows it is a file as it stands.
#pragma once

#include "broker/store/memory_vfs.h"
#include "tests/fuzz/fuzz.h"

namespace wherry::fuzz {

struct DamageInput {
  bool raw = false;
  std::uint64_t seed = 0;
  std::string_view rest;  // The file as it stands, or the edits.
};
DamageInput read_damage_input(std::string_view input);

// A seed below `seeds`, mostly with edits, now and then a raw file that `valid` gives.
std::string make_damage_input(std::uint64_t seed, std::uint64_t seeds, std::string (*valid)(std::uint64_t seed));

// What is wrong with one file. False: nothing was changed.
bool damage(std::string& file, std::string_view edit);

// The same for a disk: applies the edits to the files of the folders, in the order of their names; a file may go as a
// whole. False: nothing was changed.
bool damage_disk(broker::Vfs& disk, const std::vector<std::string>& folders, std::string_view edits);

// All of a file; it must be there.
std::string read_whole(broker::Vfs& disk, const std::string& path);
void write_whole(broker::Vfs& disk, const std::string& path, std::string_view bytes);

// A body that says what it is the body of, of a length that follows from that.
std::string body_of(std::uint64_t queue, std::uint64_t at);

}  // namespace wherry::fuzz
