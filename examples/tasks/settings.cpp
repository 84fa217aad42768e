#include "examples/tasks/settings.h"

#include <cstdlib>
#include <stdexcept>

namespace examples {

namespace {

void read(const char* name, std::string& into) {
  if (const char* value = std::getenv(name)) into = value;
}

template <class Number>
void read(const char* name, Number& into) {
  const char* value = std::getenv(name);
  if (!value) return;
  char* end = nullptr;
  const long long number = std::strtoll(value, &end, 10);
  if (end == value || *end != '\0' || number < 0) {
    throw std::invalid_argument(std::string(name) + ": not a number: " + value);
  }
  into = static_cast<Number>(number);
}

}  // namespace

Settings settings_from_environment() {
  Settings settings;
  read("EXAMPLE_SMTP_URL", settings.smtp.url);
  read("EXAMPLE_MAIL_FROM", settings.smtp.from);
  read("EXAMPLE_SMS_URL", settings.sms.url);
  read("EXAMPLE_SMS_USER", settings.sms.user);
  read("EXAMPLE_SMS_PASSWORD", settings.sms.password);
  read("EXAMPLE_LOG_DIR", settings.log_dir);
  read("EXAMPLE_LOG_MAX_BYTES", settings.log_max_bytes);
  read("EXAMPLE_LOG_KEEP", settings.log_keep);
  return settings;
}

}  // namespace examples
