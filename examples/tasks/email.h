// Sending one mail over SMTP.
//
// The message id is the caller's, so that a mail that is sent twice (a worker that dies between sending and
// acknowledging) can be recognised as the same one.
#pragma once

#include <string>

#include "examples/tasks/tasks.h"

namespace examples {

struct SmtpServer {
  std::string url = "smtp://127.0.0.1:25";  // As libcurl takes it; smtps:// for TLS.
  std::string from = "demo@wherry.example";
};

// Throws TemporaryFailure for a server that is away or answers 4xx, PermanentFailure for 5xx and for an address or a
// subject that cannot stand in a mail's header.
EmailReceipt send_email(const SmtpServer& server, const SendEmail& mail, const std::string& message_id);

// The mail as it goes over the wire: headers, an empty line, the body in base64.
std::string format_mail(const std::string& from, const SendEmail& mail, const std::string& message_id,
                        const std::string& date);

}  // namespace examples
