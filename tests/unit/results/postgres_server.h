// A PostgreSQL of this program's own: one cluster in a temporary folder, made when first asked for, and a new database
// for each test. PostgreSQL does not run as root: then it is the user "postgres" of Debian's package.
#pragma once

#include <fstream>

#include <pwd.h>

#include "sdk/results/postgres/connection.h"
#include "tests/unit/results/bench.h"

namespace wherry::results::test {

class PgCluster {
 public:
  static PgCluster& get() {
    static PgCluster cluster;
    return cluster;
  }
  std::string url(const std::string& database) const {
    return "postgresql://wherry:p%40ss@127.0.0.1:" + std::to_string(port_) + "/" + database;
  }
  void start() {
    std::vector<std::string> words = as_its_user({bin("postgres"), "-D", data(), "-p", std::to_string(port_)});
    for (const char* option :
         {"listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off", "log_min_messages=fatal"}) {
      words.insert(words.end(), {"-c", option});
    }
    server_ = std::make_unique<Child>(words, (folder_.path() / "server.log").string());
    REQUIRE(eventually([&] {
      try {
        PgConnection(url("postgres"), "test", std::chrono::steady_clock::now() + 5s);
        return true;
      } catch (const Failure&) {
        return false;
      }
    }));
  }
  void stop() {
    server_->end(SIGINT);  // At once, but in good order.
    server_.reset();
  }
  void run(const std::string& command) {
    PgConnection db(url("postgres"), "test", soon());
    db.run(command.c_str());
  }

 private:
  PgCluster() : port_(free_port()) {
    { std::ofstream(folder_.path() / "password") << "p@ss\n"; }
    if (const passwd* user = ::getuid() == 0 ? ::getpwnam("postgres") : nullptr) {
      for (const auto& path : {folder_.path(), folder_.path() / "password"}) {
        REQUIRE(::chown(path.c_str(), user->pw_uid, user->pw_gid) == 0);
      }
    }
    Child made(
        as_its_user({bin("initdb"), "-D", data(), "-U", "wherry", "-A", "scram-sha-256", "-E", "UTF8", "--no-sync",
                     "--no-instructions", "--locale=C.UTF-8", "--pwfile", (folder_.path() / "password").string()}),
        (folder_.path() / "initdb.log").string());
    REQUIRE(made.wait() == 0);
    start();
  }
  std::string data() const { return (folder_.path() / "data").string(); }
  static std::string bin(const std::string& program) {
    for (const auto& version : std::filesystem::directory_iterator("/usr/lib/postgresql")) {
      const auto path = version.path() / "bin" / program;
      if (std::filesystem::exists(path)) return path.string();
    }
    return program;
  }
  static std::vector<std::string> as_its_user(std::vector<std::string> words) {
    if (::getuid() == 0) {
      words.insert(words.begin(), {"setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"});
    }
    return words;
  }

  Folder folder_;
  std::uint16_t port_;
  std::unique_ptr<Child> server_;
};

class PgServer final : public Server {
 public:
  PgServer() : name_("test_" + std::to_string(++count)) { PgCluster::get().run("CREATE DATABASE " + name_); }
  std::string url() const override { return PgCluster::get().url(name_); }
  void start() override { PgCluster::get().start(); }
  void stop() override {
    PgCluster::get().stop();
    stopped_ = true;
  }
  ~PgServer() override {
    // A test that stopped the server may have ended before it started it again.
    if (stopped_) {
      try {
        PgCluster::get().run("SELECT 1");
      } catch (const Failure&) {
        PgCluster::get().start();
      }
    }
  }

 private:
  inline static int count = 0;
  const std::string name_;
  bool stopped_ = false;
};

}  // namespace wherry::results::test
