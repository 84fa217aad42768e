#include "broker/store/vfs.h"

#include <fmt/format.h>

namespace wherry::broker {

tl::unexpected<DiskError> disk_error(std::string_view operation, std::string_view path, std::error_code code) {
  return tl::unexpected<DiskError>(DiskError{code, fmt::format("{} {}: {}", operation, path, code.message())});
}

tl::unexpected<DiskError> disk_error(std::string_view operation, std::string_view path, std::errc code) {
  return disk_error(operation, path, std::make_error_code(code));
}

std::string folder_of(std::string_view path) {
  const std::size_t end = path.find_last_not_of('/');
  const std::size_t slash = end == std::string_view::npos ? end : path.find_last_of('/', end);
  if (slash == std::string_view::npos) return end == std::string_view::npos && !path.empty() ? "/" : ".";
  return slash == 0 ? "/" : std::string(path.substr(0, slash));
}

}  // namespace wherry::broker
