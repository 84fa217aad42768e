// Reach: how a command gets to its broker: over the control socket of a data directory on this machine, or with --url
// to the management API of one elsewhere (POST /api/wherry/control), with a user's name and password.
//
//   auto reach = Reach::open(where);                 // errors: what is wrong with the options
//   auto answer = reach->ask(request, patience);     // the same requests, answers and errors either way
//
// Elsewhere means HTTPS: plain HTTP would show the password, and is for addresses of this machine, or with insecure.
// The server's certificate has to be good for the host. A connection is kept between requests. Errors say what to do.
// Threads: one at a time; ask() blocks.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "broker/control/control_client.h"

namespace wherry::broker::ctl {

// What the options say; an empty text is one that was not given.
struct Where {
  std::string data_dir;  // Empty: the place where the broker looks.
  std::string url;       // https://HOST:PORT, with the path that a proxy gave it, if any.
  std::string username;
  std::string password;  // Else the first line of the file, WHERRY_PASSWORD, or what is typed at the terminal.
  std::string password_file;
  std::string cacert;  // Files in PEM.
  std::string cert;
  std::string key;
  bool insecure = false;

  struct Option {
    const char* name;   // Without dashes.
    const char* value;  // What it wants, for the help; null: nothing.
    const char* help;
  };
  static const std::vector<Option>& options();
  // False: it is none of these.
  bool take(std::string_view name, const std::string& value);
  // Lines of a help.
  static std::string help();
};

class Reach {
 public:
  using Answer = Result<amqp::FieldValue, control::AskError>;
  static Result<std::unique_ptr<Reach>> open(const Where& where);
  virtual ~Reach() = default;

  virtual Answer ask(const amqp::Table& request, std::chrono::milliseconds patience) = 0;
  // The broker sees the files of this machine.
  virtual bool is_here() const = 0;
};

}  // namespace wherry::broker::ctl
