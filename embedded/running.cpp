#include "embedded/running.h"

#include <cerrno>
#include <system_error>

#include <sys/socket.h>

#include "base/log.h"
#include "broker/server/wiring.h"
#include "broker/settings/broker_settings.h"
#include "sdk/endpoint/local_broker.h"

namespace wherry::embedded {

namespace {

// Whom the clients of this process are; with all rights in all virtual hosts.
broker::UserSettings own_user(const broker::BrokerSettings& settings) {
  broker::UserSettings user;
  user.name = sdk::local_user;
  user.password = sdk::local_password();
  user.tags = {"administrator"};
  for (const broker::VhostSettings& vhost : settings.vhosts) user.permissions.push_back({.vhost = vhost.name});
  return user;
}

Result<broker::Plan> make_plan(const EmbeddedOptions& options) {
  broker::BrokerSettings settings;
  if (!options.config.empty()) {
    auto loaded = broker::load_broker_settings(options.config);
    if (!loaded) return tl::unexpected(loaded.error());
    settings = std::move(*loaded);
  }
  settings.users.push_back(own_user(settings));
  broker::Options overrides;
  overrides.amqp = options.listen.value_or("127.0.0.1:0");
  overrides.data_dir = options.folder;
  overrides.shards = options.shards;
  overrides.durability = options.durability;
  auto plan = broker::make_plan(overrides, std::move(settings));
  if (!plan) {
    // They are options of a struct here, and not of a command line.
    const std::string& text = plan.error().message;
    return fail(text.starts_with("--") ? text.substr(2) : text);
  }
  if (!options.listen) plan->amqp.reset();
  if (options.folder.empty()) broker::keep_in_memory(*plan);
  return plan;
}

}  // namespace

Result<std::unique_ptr<Running>> Running::start(const EmbeddedOptions& options) {
  auto plan = make_plan(options);
  if (!plan) return tl::unexpected(plan.error());
  std::unique_ptr<Running> running(new Running);
  auto failed = [told = options.on_failure](const std::string& why) {
    log::error("broker", "the disk of the embedded broker failed, nothing is confirmed any more: {}", why);
    if (told) told(why);
  };
  auto started = broker::Server::start(std::move(*plan), {.loop = running->loop_, .on_failure = std::move(failed)});
  if (!started) return tl::unexpected(started.error());
  running->server_ = std::move(*started);
  running->thread_ = std::thread([&loop = running->loop_] { loop.run(); });
  return running;
}

Running::~Running() {
  if (!thread_.joinable()) return;
  loop_.stop();
  thread_.join();
  server_.reset();
}

Result<int> Running::connect() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0) {
    return fail("no connection to the embedded broker: " + std::generic_category().message(errno));
  }
  broker().adopt(ends[1]);
  return ends[0];
}

}  // namespace wherry::embedded
