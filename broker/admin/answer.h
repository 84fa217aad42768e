// What becomes of an operator's request: a value, or a refusal with RabbitMQ's words for it. Plain data.
#pragma once

#include <string>
#include <utility>

#include "base/result.h"
#include "protocol/amqp/constants.h"
#include "protocol/amqp/table.h"

namespace wherry::broker::admin {

struct Refusal {
  int status = 400;                   // HTTP's.
  std::string error = "bad_request";  // "Object Not Found", "not_authorised", ...
  std::string reason;
};

template <class T>
using Outcome = Result<T, Refusal>;

inline tl::unexpected<Refusal> bad_request(std::string reason) {
  return tl::unexpected<Refusal>(Refusal{400, "bad_request", std::move(reason)});
}
inline tl::unexpected<Refusal> not_found(std::string reason = "Not Found") {
  return tl::unexpected<Refusal>(Refusal{404, "Object Not Found", std::move(reason)});
}
inline tl::unexpected<Refusal> not_authorised(std::string reason) {
  return tl::unexpected<Refusal>(Refusal{401, "not_authorised", std::move(reason)});
}
// The broker is too busy, or its disk is: the same request may succeed later.
inline tl::unexpected<Refusal> unavailable(std::string reason) {
  return tl::unexpected<Refusal>(Refusal{503, "service_unavailable", std::move(reason)});
}

// What a client would have been refused with.
inline tl::unexpected<Refusal> refusal_of(const amqp::AmqpError& error) {
  switch (error.code) {
    case amqp::ReplyCode::not_found:
      return not_found(error.explanation);
    case amqp::ReplyCode::internal_error:
      return unavailable(error.explanation);
    case amqp::ReplyCode::access_refused:
      return not_authorised(error.explanation);
    default:
      return bad_request(error.explanation);
  }
}

}  // namespace wherry::broker::admin
