#include "broker/ctl/reach.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <utility>

#include <fmt/format.h>
#include <termios.h>
#include <unistd.h>

#include "broker/control/json.h"
#include "broker/ctl/https.h"
#include "broker/store/data_dir.h"

namespace wherry::broker::ctl {

namespace {

class OverSocket final : public Reach {
 public:
  explicit OverSocket(std::filesystem::path socket) : socket_(std::move(socket)) {}
  Answer ask(const amqp::Table& request, std::chrono::milliseconds patience) override {
    return control::ask(socket_, request, patience);
  }
  bool is_here() const override { return true; }

 private:
  const std::filesystem::path socket_;
};

// Without showing it.
std::string typed_password(const std::string& username) {
  termios before{};
  if (!::isatty(STDIN_FILENO) || ::tcgetattr(STDIN_FILENO, &before) != 0) return {};
  std::fprintf(stderr, "Password of %s: ", username.c_str());
  termios silent = before;
  silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
  ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
  std::string password;
  std::getline(std::cin, password);
  ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
  std::fputc('\n', stderr);
  return password;
}

Result<std::string> password_of(const Where& where) {
  if (!where.password.empty()) return where.password;
  std::string password;
  if (!where.password_file.empty()) {
    std::ifstream in(where.password_file);
    if (!std::getline(in, password)) return fail(fmt::format("--password-file: cannot read {}", where.password_file));
  } else if (const char* given = std::getenv("WHERRY_PASSWORD"); given != nullptr) {
    password = given;
  } else {
    password = typed_password(where.username);
  }
  if (password.empty()) return fail("no password: set WHERRY_PASSWORD, or name a file with --password-file");
  return password;
}

}  // namespace

const std::vector<Where::Option>& Where::options() {
  static const std::vector<Option> all{
      {"data-dir", "DIR", "the data directory of a broker on this machine"},
      {"url", "URL", "a broker elsewhere: its management API, https://HOST:15671"},
      {"username", "USER", "who asks there"},
      {"password", "TEXT", "seen in the list of processes: better WHERRY_PASSWORD, or"},
      {"password-file", "FILE", "whose first line is the password"},
      {"cacert", "FILE", "who signs the broker's certificate, if no authority that this system trusts"},
      {"cert", "FILE", "a certificate to show to the broker"},
      {"key", "FILE", "and its key"},
      {"insecure", nullptr, "take any certificate, and plain HTTP"},
  };
  return all;
}

bool Where::take(std::string_view name, const std::string& value) {
  if (name == "insecure") {
    insecure = true;
    return true;
  }
  const std::pair<std::string_view, std::string*> texts[] = {
      {"data-dir", &data_dir},           {"url", &url},       {"username", &username}, {"password", &password},
      {"password-file", &password_file}, {"cacert", &cacert}, {"cert", &cert},         {"key", &key}};
  for (const auto& [known, into] : texts) {
    if (known != name) continue;
    *into = value;
    return true;
  }
  return false;
}

std::string Where::help() {
  std::string text = "Which broker (docs/wherryctl.md):\n";
  for (const Option& each : options()) {
    text +=
        fmt::format("  {:<22} {}\n",
                    fmt::format("--{}{}{}", each.name, each.value ? " " : "", each.value ? each.value : ""), each.help);
  }
  return text;
}

Result<std::unique_ptr<Reach>> Reach::open(const Where& where) {
  if (where.url.empty()) {
    if (!where.username.empty() || !where.cacert.empty() || !where.cert.empty() || where.insecure) {
      return fail("--username and what belongs to it are for a broker elsewhere: say which, with --url");
    }
    const std::filesystem::path data =
        where.data_dir.empty() ? DataDir::default_path() : std::filesystem::path(where.data_dir);
    return std::make_unique<OverSocket>(data / control::socket_name);
  }
  if (!where.data_dir.empty()) return fail("--data-dir names a broker of this machine, --url one elsewhere: which?");
  if (where.username.empty()) return fail("--url wants --username, a user with the tag administrator");
  auto password = password_of(where);
  if (!password) return tl::unexpected(password.error());
  return open_https(where, *password);
}

}  // namespace wherry::broker::ctl
