#include "wherry/embedded.h"

#include <atomic>
#include <filesystem>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "base/percent.h"
#include "embedded/brokers.h"
#include "embedded/running.h"
#include "wherry/error.h"

namespace wherry {

namespace {

[[noreturn]] void refuse(const std::string& why) {
  throw ClientError(Errc::invalid_argument, "embedded broker: " + why);
}

void check_name(const std::string& name) {
  for (const char c : name) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!plain && c != '-' && c != '_' && c != '.') {
      refuse(fmt::format("the name '{}' has something else in it than letters, digits, '-', '_' and '.'", name));
    }
  }
}

}  // namespace

class EmbeddedBroker::Impl {
 public:
  explicit Impl(EmbeddedOptions options) {
    check_name(options.name);
    std::error_code ignored;
    if (!options.folder.empty()) {
      const auto whole = std::filesystem::weakly_canonical(std::filesystem::absolute(options.folder, ignored), ignored);
      if (!ignored) options.folder = whole.string();
    }
    key = embedded::key_of(options);
    url = embedded::url_of(key);
    entry = embedded::entry_of(key);
    if (entry->with([](embedded::Running&) {})) {
      refuse(fmt::format("{} runs already in this process", url));
    }
    auto started = embedded::Running::start(options);
    if (!started) refuse(started.error().message);
    address = (*started)->address();
    listens = options.listen.has_value();
    if (!entry->put(std::move(*started))) refuse(fmt::format("{} runs already in this process", url));
  }
  ~Impl() { entry->take(); }

  std::string key;
  std::string url;
  std::shared_ptr<embedded::Entry> entry;
  net::Address address;
  bool listens = false;
};

EmbeddedBroker::EmbeddedBroker(EmbeddedOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
EmbeddedBroker::~EmbeddedBroker() = default;

const std::string& EmbeddedBroker::url() const {
  return impl_->url;
}

std::string EmbeddedBroker::network_url() const {
  if (!impl_->listens) throw std::logic_error("this embedded broker does not listen: set EmbeddedOptions::listen");
  return fmt::format("amqp://{}:{}@{}/", sdk::local_user, percent_encoded(sdk::local_password()),
                     impl_->address.text());
}

void EmbeddedBroker::stop() {
  impl_->entry->take();
}

}  // namespace wherry
