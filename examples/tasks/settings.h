// Where the tasks' real parts are, from the environment:
//
//   EXAMPLE_SMTP_URL        smtp://127.0.0.1:25
//   EXAMPLE_MAIL_FROM       demo@wherry.example
//   EXAMPLE_SMS_URL         http://127.0.0.1:13013/cgi-bin/sendsms
//   EXAMPLE_SMS_USER, EXAMPLE_SMS_PASSWORD
//   EXAMPLE_LOG_DIR         logs
//   EXAMPLE_LOG_MAX_BYTES   1000000; EXAMPLE_LOG_KEEP   5
#pragma once

#include <cstdint>
#include <string>

#include "examples/tasks/email.h"
#include "examples/tasks/sms.h"

namespace examples {

struct Settings {
  SmtpServer smtp;
  SmsGateway sms;
  std::string log_dir = "logs";
  std::int64_t log_max_bytes = 1'000'000;
  int log_keep = 5;
};

// Throws std::invalid_argument with the name of a variable that is not a number and should be.
Settings settings_from_environment();

}  // namespace examples
