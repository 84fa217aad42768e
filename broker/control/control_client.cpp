#include "broker/control/control_client.h"

#include <cerrno>
#include <system_error>

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "broker/control/json.h"
#include "net/local_address.h"

namespace wherry::broker::control {

namespace {

// Lists of all queues are long.
constexpr std::size_t most_answer_bytes = std::size_t{1} << 30;

tl::unexpected<AskError> no_broker(const std::filesystem::path& socket, int error) {
  const bool none = error == ENOENT || error == ECONNREFUSED;
  return tl::unexpected<AskError>(
      AskError{AskFailure::no_broker,
               none ? fmt::format("no broker runs on this data directory ({})", socket.parent_path().string())
                    : fmt::format("{}: {}", socket.string(), std::generic_category().message(error))});
}

struct Socket {
  int descriptor = -1;
  ~Socket() {
    if (descriptor >= 0) ::close(descriptor);
  }
};

// 0 or an errno.
int wait_for(int socket, short events, Monotonic until) {
  while (true) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    pollfd wanted{socket, events, 0};
    const int ready = left.count() <= 0 ? 0 : ::poll(&wanted, 1, static_cast<int>(left.count()) + 1);
    if (ready > 0) return 0;
    if (ready == 0) return ETIMEDOUT;
    if (errno != EINTR) return errno;
  }
}

int send_all(int socket, std::string_view bytes, Monotonic until) {
  while (!bytes.empty()) {
    if (const int error = wait_for(socket, POLLOUT, until); error != 0) return error;
    const ssize_t sent = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) bytes.remove_prefix(static_cast<std::size_t>(sent));
    if (sent < 0 && errno != EAGAIN && errno != EINTR) return errno;
  }
  return 0;
}

int receive_line(int socket, std::string& line, Monotonic until) {
  char part[64 * 1024];
  while (!line.ends_with('\n')) {
    if (const int error = wait_for(socket, POLLIN, until); error != 0) return error;
    const ssize_t came = ::recv(socket, part, sizeof part, MSG_DONTWAIT);
    if (came == 0) return ECONNRESET;
    if (came < 0 && errno != EAGAIN && errno != EINTR) return errno;
    if (came > 0) line.append(part, static_cast<std::size_t>(came));
    if (line.size() > most_answer_bytes) return EMSGSIZE;
  }
  line.pop_back();
  return 0;
}

}  // namespace

Result<amqp::FieldValue, AskError> ask(const std::filesystem::path& path, const amqp::Table& request,
                                       std::chrono::milliseconds patience) {
  const Monotonic until = std::chrono::steady_clock::now() + patience;
  const auto address = net::LocalAddress::of(path.string());
  if (!address) return no_broker(path, address.error());
  Socket socket{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  if (socket.descriptor < 0 || ::connect(socket.descriptor, address->get(), address->size()) != 0) {
    return no_broker(path, errno);
  }
  std::string line;
  int error = send_all(socket.descriptor, to_json(request) + '\n', until);
  if (error == 0) error = receive_line(socket.descriptor, line, until);
  if (error == ETIMEDOUT) {
    return tl::unexpected<AskError>(
        AskError{AskFailure::refused, fmt::format("the broker did not answer within {} s", patience.count() / 1000)});
  }
  if (error != 0) return no_broker(path, error);
  auto answer = parse_object(line, most_answer_bytes);
  if (!answer) {
    return tl::unexpected<AskError>(
        AskError{AskFailure::refused, "the broker's answer cannot be read: " + answer.error().message});
  }
  bool fine = false;
  answer->boolean("ok", fine);
  if (!fine) {
    const std::string* why = answer->string("error");
    return tl::unexpected<AskError>(AskError{AskFailure::refused, why ? *why : "refused without a reason"});
  }
  const amqp::FieldValue* result = answer->find("result");
  return result ? *result : amqp::FieldValue();
}

}  // namespace wherry::broker::control
