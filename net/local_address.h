// LocalAddress: the address of a Unix domain socket, whatever the length of its path.
//
// The system takes 107 bytes; a longer path is reached through an open descriptor of its folder (/proc/self/fd/N/NAME),
// so the object lives until bind() or connect() has returned. Errors: an errno.
#pragma once

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string>
#include <utility>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/result.h"

namespace wherry::net {

class LocalAddress {
 public:
  static Result<LocalAddress, int> of(const std::filesystem::path& path) {
    LocalAddress made;
    std::string text = path.string();
    if (text.size() >= sizeof made.address_.sun_path) {
      made.folder_ = ::open(path.parent_path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
      if (made.folder_ < 0) return tl::unexpected<int>(errno);
      text = "/proc/self/fd/" + std::to_string(made.folder_) + '/' + path.filename().string();
      if (text.size() >= sizeof made.address_.sun_path) return tl::unexpected<int>(ENAMETOOLONG);
    }
    made.address_.sun_family = AF_UNIX;
    std::memcpy(made.address_.sun_path, text.data(), text.size());
    return made;
  }
  LocalAddress(LocalAddress&& other) noexcept : address_(other.address_), folder_(std::exchange(other.folder_, -1)) {}
  LocalAddress& operator=(LocalAddress&&) = delete;
  ~LocalAddress() {
    if (folder_ >= 0) ::close(folder_);
  }

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&address_); }
  socklen_t size() const { return sizeof address_; }

 private:
  LocalAddress() = default;
  sockaddr_un address_{};
  int folder_ = -1;
};

}  // namespace wherry::net
