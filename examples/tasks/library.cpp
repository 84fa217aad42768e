// libtasks.so: the four tasks, for
//
//   wherry-worker --load libtasks.so -Q email,sms,analysis -c 4
//
// Each does its work in a function that knows nothing of queues; what is said here is what the queue has to know: which
// failures are for good. Everything else that is thrown is tried again, as the retry policy of app.yaml says.
#include <memory>

#include <wherry/registry.h>

#include "examples/tasks/email.h"
#include "examples/tasks/failure.h"
#include "examples/tasks/log_files.h"
#include "examples/tasks/settings.h"
#include "examples/tasks/sms.h"
#include "examples/tasks/summary.h"
#include "examples/tasks/tasks.h"

namespace {

using namespace examples;

// Runs work; what will never succeed goes to the dead-letter queue at once.
template <class Work>
auto or_dead(Work work) {
  try {
    return work();
  } catch (const PermanentFailure& failure) {
    throw wherry::Dead{failure.what()};
  }
}

int attempts_of(const wherry::Context& context) {
  return static_cast<int>(context.attempt());
}

}  // namespace

WHERRY_TASKS(registry) {
  // Read once, when the library is loaded: a wrong setting stops the worker at its start.
  const auto settings = std::make_shared<const Settings>(settings_from_environment());
  const auto logs = std::make_shared<LogFiles>(settings->log_dir, settings->log_max_bytes, settings->log_keep);

  registry.on<SendEmail>([settings](const SendEmail& mail, wherry::Context& context) {
    return or_dead([&] {
      // The same in every attempt: a mail that goes out twice is known by it.
      EmailReceipt receipt = send_email(settings->smtp, mail, context.id() + "@wherry.example");
      receipt.attempts = attempts_of(context);
      return receipt;
    });
  });

  registry.on<SendSms>([settings](const SendSms& sms, wherry::Context& context) {
    return or_dead([&] {
      SmsReceipt receipt = send_sms(settings->sms, sms, context.id());
      receipt.attempts = attempts_of(context);
      return receipt;
    });
  });

  registry.on<RecordLog>([logs](const RecordLog& record, wherry::Context& context) {
    or_dead([&] { logs->write(record, context.id(), context.attempt()); });
  });

  registry.on<Summarize>([](const Summarize& task, wherry::Context& context) {
    return or_dead([&] {
      TableSummary table = summarize(task, [&](std::int64_t done, std::int64_t all, std::int64_t rows) {
        context.progress(SummaryProgress{.bytes_done = done, .bytes_in_all = all, .rows = rows});
      });
      table.attempts = attempts_of(context);
      return table;
    });
  });
}
