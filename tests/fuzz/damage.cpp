#include "tests/fuzz/damage.h"

#include <algorithm>

#include "base/bytes.h"

namespace wherry::fuzz {

namespace {

constexpr std::size_t kEditBytes = 8;

std::uint64_t load(std::string_view bytes) {
  std::uint64_t value = 0;
  for (char each : bytes) value = value << 8 | static_cast<unsigned char>(each);
  return value;
}

}  // namespace

DamageInput read_damage_input(std::string_view input) {
  DamageInput out;
  out.raw = !input.empty() && input[0] == 0;
  if (out.raw) {
    out.rest = input.substr(1);
    return out;
  }
  out.seed = load(input.substr(std::min<std::size_t>(1, input.size()), 8));
  out.rest = input.substr(std::min<std::size_t>(9, input.size()));
  return out;
}

std::string make_damage_input(std::uint64_t seed, std::uint64_t seeds, std::string (*valid)(std::uint64_t seed)) {
  std::mt19937_64 random(seed);
  if (random() % 8 == 0) return std::string(1, '\0') + valid(random() % seeds);
  std::string input(9, '\1');
  store_big(input.data() + 1, std::uint64_t{random() % seeds});
  for (auto left = random() % 6; left > 0; --left) {
    std::string edit(kEditBytes, '\0');
    store_big(edit.data(), std::uint64_t{random()});
    input += edit;
  }
  return input;
}

bool damage(std::string& file, std::string_view edit) {
  if (edit.size() < kEditBytes || file.empty()) return false;
  const std::string before = file;
  const std::size_t at = load(edit.substr(2, 3)) % file.size();
  const std::size_t most = file.size() - at;
  const std::size_t length = std::min<std::size_t>(1 + load(edit.substr(5, 2)), most);
  const auto value = static_cast<unsigned char>(edit[7]);
  switch (static_cast<unsigned char>(edit[1]) % 8) {
    case 0:
      file[at] = static_cast<char>(file[at] ^ (1 << value % 8));
      break;
    case 1:
      file[at] = static_cast<char>(value);
      break;
    case 2:
      std::fill_n(file.begin() + static_cast<std::ptrdiff_t>(at), length, '\0');
      break;
    case 3:  // Sectors that were not written.
      std::fill_n(file.begin() + static_cast<std::ptrdiff_t>(at / 512 * 512),
                  std::min<std::size_t>(512 * (1 + value % 4), file.size() - at / 512 * 512), '\0');
      break;
    case 4:
      file.resize(at);
      break;
    case 5: {  // What lies there is there once more, elsewhere.
      const std::size_t to = file.size() * value / 256;
      file.replace(to, std::min(length, file.size() - to), before, at, length);
      break;
    }
    case 6:
      file.erase(at, length);
      break;
    default:
      file.append(length, static_cast<char>(value));
      break;
  }
  return file != before;
}

bool damage_disk(broker::Vfs& disk, const std::vector<std::string>& folders, std::string_view edits) {
  bool changed = false;
  for (; edits.size() >= kEditBytes; edits.remove_prefix(kEditBytes)) {
    std::vector<std::string> paths;
    for (const std::string& folder : folders) {
      const auto names = disk.list(folder);
      WHERRY_FUZZ_CHECK(names);
      for (const std::string& name : *names) paths.push_back(folder + "/" + name);
    }
    if (paths.empty()) return changed;
    const std::string& path = paths[static_cast<unsigned char>(edits[0]) % paths.size()];
    std::string bytes = read_whole(disk, path);
    const bool gone = edits[1] == '\x7f';
    if (!gone && !damage(bytes, edits.substr(0, kEditBytes))) continue;
    changed = true;
    WHERRY_FUZZ_CHECK(disk.remove(path));
    if (!gone) write_whole(disk, path, bytes);
  }
  return changed;
}

std::string read_whole(broker::Vfs& disk, const std::string& path) {
  auto file = disk.open(path, broker::OpenMode::read);
  WHERRY_FUZZ_CHECK(file);
  std::string bytes(*(*file)->size(), '\0');
  WHERRY_FUZZ_CHECK((*file)->read_at(0, bytes.data(), bytes.size()) == bytes.size());
  return bytes;
}

void write_whole(broker::Vfs& disk, const std::string& path, std::string_view bytes) {
  auto file = disk.open(path, broker::OpenMode::create);
  WHERRY_FUZZ_CHECK(file);
  WHERRY_FUZZ_CHECK((*file)->write_at(0, bytes));
}

std::string body_of(std::uint64_t queue, std::uint64_t at) {
  std::string body = std::to_string(queue) + "/" + std::to_string(at) + "/";
  return body.append((queue * 7919 + at * 104'729) % 300, static_cast<char>('a' + at % 26));
}

}  // namespace wherry::fuzz
