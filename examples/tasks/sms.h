// Sending one text message through a gateway that speaks Kannel's sendsms HTTP interface.
#pragma once

#include <string>

#include "examples/tasks/tasks.h"

namespace examples {

struct SmsGateway {
  std::string url = "http://127.0.0.1:13013/cgi-bin/sendsms";
  std::string user = {};
  std::string password = {};
  std::string from = "Wherry";
};

// reference travels as the message's billing information, which the gateway writes to its access log.
// Throws TemporaryFailure for a gateway that is away or answers 5xx, PermanentFailure for 4xx.
SmsReceipt send_sms(const SmsGateway& gateway, const SendSms& sms, const std::string& reference);

}  // namespace examples
