// LocalBroker: a broker in this very process, as the SDK sees it. The SDK knows no broker: a program that links one
// (wherry-embedded) tells it how embedded: URLs become sockets.
//
//   set_local_brokers(find_or_start);                              // what wherry-embedded does as the program begins
//   auto broker = open_local_broker("embedded:///var/lib/app/queue");
//   auto socket = (*broker)->connect();
//
// Threads: any. Lifetime: a broker that a URL has started lives as long as somebody holds it.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "sdk/endpoint/endpoint.h"

namespace wherry::sdk {

constexpr std::string_view embedded_scheme = "embedded:";

// Who a program is at its own broker; the password is made anew by each process.
constexpr const char* local_user = "embedded";
const std::string& local_password();

class LocalBroker {
 public:
  virtual ~LocalBroker() = default;
  // A connected socket, the caller's, whose other end the broker has. Errors: why there is none now; it may be there
  // again later.
  virtual Result<int> connect() = 0;
  // A blocking enqueue has been confirmed: called on its caller's thread, which it may hold.
  virtual void enqueued() {}
};

using OpenLocalBroker = Result<std::shared_ptr<LocalBroker>> (*)(const std::string& url);
void set_local_brokers(OpenLocalBroker open);
// Errors: no broker is linked into this program; or what is wrong with this one.
Result<std::shared_ptr<LocalBroker>> open_local_broker(const std::string& url);

using LocalBrokers = std::vector<std::shared_ptr<LocalBroker>>;
// Those of the endpoints that are in this process. Errors: of the first that cannot be had.
Result<LocalBrokers> open_local_brokers(const std::vector<Endpoint>& endpoints);

}  // namespace wherry::sdk
