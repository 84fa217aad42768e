#include "wherry/dead_letters.h"

#include <algorithm>
#include <exception>
#include <utility>

#include <errno.h>
#include <fmt/format.h>
#include <unistd.h>

#include "net/event_loop.h"
#include "protocol/task/dead_letter.h"
#include "sdk/client/errors.h"
#include "sdk/link/link.h"

namespace wherry {

namespace {

using namespace std::chrono_literals;

constexpr auto look_around_every = 200ms;
constexpr std::size_t most_prefetch_count = 65'535;

DeadLetter public_letter(const task::DeadLetter& from, std::size_t bytes) {
  DeadLetter letter;
  letter.id = from.id;
  letter.task = from.task;
  letter.reason = from.reason;
  letter.queue = from.queue;
  letter.dead_at = from.dead_at;
  letter.crashes = from.crashes;
  letter.replays = from.replays;
  for (const task::DeadAttempt& each : from.history) {
    letter.history.push_back({each.attempt, each.error, each.at, each.worker});
  }
  letter.args = from.args;
  letter.kwargs = from.kwargs;
  letter.bytes = bytes;
  return letter;
}

task::DeadLetterFilter rules_of(const DeadLetterFilter& filter) {
  return {.ids = filter.ids,
          .task = filter.task,
          .reason = filter.reason,
          .queue = filter.queue,
          .since = filter.since,
          .before = filter.before};
}

enum class Act { list, replay, discard };

// One call: through the queue once, on a loop that runs on the calling thread. What is kept stays unsettled until the
// connection is closed, which gives it back to its place.
class Walk {
 public:
  Walk(const std::vector<sdk::Endpoint>& endpoints, const DeadLetterOptions& options, const DeadLetterFilter& filter,
       Act act, std::size_t limit)
      : options_(options),
        filter_(filter),
        rules_(rules_of(filter)),
        act_(act),
        limit_(limit),
        prefetch_(std::max<std::size_t>(options.at_once, 1)),
        link_(loop_, config(endpoints, options),
              {.on_up = [this](std::uint64_t) { was_up_ = true; },
               .on_down = [this](std::string_view reason, std::uint16_t denied) { down(reason, denied); }}),
        around_(loop_) {}

  DeadLetterReport run() {
    link_.start();
    touch();
    ask(true);
    loop_.run();
    if (failure_) std::rethrow_exception(failure_);
    return std::move(report_);
  }
  std::vector<DeadLetter> take_listed() { return std::move(listed_); }

 private:
  static sdk::LinkConfig config(const std::vector<sdk::Endpoint>& endpoints, const DeadLetterOptions& options) {
    sdk::LinkConfig config;
    config.endpoints = endpoints;
    config.log_connection = false;
    config.name = options.name.empty() ? fmt::format("{} ({}) dead letters", program_invocation_short_name, ::getpid())
                                       : options.name;
    return config;
  }

  // How many are ready. The first time: how many there are to see.
  void ask(bool first) {
    link_.declare(
        {sdk::QueueSpec{.name = options_.queue, .passive = true}},
        [this, first, seen = report_.looked_at](const sdk::Report& answer) {
          if (over_) return;
          if (!answer.ok()) return fail(answer);
          if (first) return begin(answer.messages);
          // Whoever else takes them: those will not come.
          const bool quiet = answer.messages == 0 && seen == report_.looked_at && in_flight_ == 0;
          quiet_ = quiet ? quiet_ + 1 : 0;
          if (quiet_ >= 2) finish();
        },
        std::chrono::steady_clock::now() + options_.timeout);
  }

  void begin(std::uint64_t count) {
    report_.of = count;
    if (count == 0) return finish();
    sdk::Subscription what;
    what.queues = {options_.queue};
    what.prefetch = static_cast<std::uint16_t>(prefetch_);
    subscription_ = link_.subscribe(
        std::move(what), [this](sdk::Delivery delivery) { guarded([&] { look_at(std::move(delivery)); }); },
        [this](const std::string&, const sdk::Report& why) { fail(why); });
    look_around();
  }

  void look_around() {
    around_.set(look_around_every, [this] {
      if (over_) return;
      if (std::chrono::steady_clock::now() - moved_ > options_.timeout) {
        return fail({sdk::Outcome::timed_out, 0, "nothing moves any more"});
      }
      if (in_flight_ == 0) ask(false);
      look_around();
    });
  }

  void look_at(sdk::Delivery delivery) {
    // What came after this began is not ours.
    if (over_ || report_.looked_at == report_.of) return;
    touch();
    ++report_.looked_at;
    const DeadLetter letter = public_letter(task::read_dead_letter(delivery.properties), delivery.body.size());
    const bool fits =
        rules_.matches(task::read_dead_letter(delivery.properties)) && (!filter_.where || filter_.where(letter));
    if (!fits) {
      keep();
    } else {
      ++report_.matched;
      act(std::move(delivery), letter);
    }
    step();
  }

  void act(sdk::Delivery delivery, const DeadLetter& letter) {
    if (act_ == Act::list) {
      listed_.push_back(letter);
      keep();
      if (listed_.size() == limit_) finish();
      return;
    }
    if (options_.dry_run) return keep();
    if (act_ == Act::discard) {
      link_.ack(delivery.ref);
      ++report_.done;
      return;
    }
    auto again = task::replay_of(delivery.properties, options_.queue);
    if (!again) return refuse(letter.id, again.error().message);
    sdk::Publication message;
    message.routing_key = again->queue;
    message.properties = std::move(again->properties);
    message.body = std::move(delivery.body);
    message.deadline = std::chrono::steady_clock::now() + options_.timeout;
    ++in_flight_;
    link_.publish(std::move(message), [this, ref = delivery.ref, id = letter.id,
                                       queue = std::move(again->queue)](const sdk::Report& answer) {
      if (over_) return;
      --in_flight_;
      touch();
      if (answer.ok()) {
        link_.ack(ref);
        ++report_.done;
      } else if (answer.outcome == sdk::Outcome::unroutable || answer.outcome == sdk::Outcome::refused) {
        refuse(id, fmt::format("queue '{}': {}", queue, answer.text));
      } else {
        return fail(answer);
      }
      guarded([this] { step(); });
    });
  }

  void refuse(const std::string& id, std::string why) {
    report_.refused.push_back({id, std::move(why)});
    keep();
  }

  // It stays in our hands: there must be room for the next ones beside it.
  void keep() {
    ++kept_;
    const std::size_t room = std::max<std::size_t>(options_.at_once, 1);
    if (prefetch_ == 0 || kept_ + room / 2 < prefetch_) return;
    prefetch_ = 2 * kept_ + room;
    if (prefetch_ > most_prefetch_count) prefetch_ = 0;  // No limit: what is kept is the broker's to hold.
    link_.set_prefetch(subscription_, static_cast<std::uint16_t>(prefetch_));
  }

  void step() {
    if (over_) return;
    if (options_.on_progress) options_.on_progress(report_);
    if (report_.looked_at == report_.of && in_flight_ == 0) finish();
  }

  void touch() {
    moved_ = std::chrono::steady_clock::now();
    quiet_ = 0;
  }

  template <class Work>
  void guarded(Work work) {
    try {
      work();
    } catch (...) {
      end(std::current_exception());
    }
  }

  void down(std::string_view reason, std::uint16_t denied) {
    if (denied != 0) return fail({sdk::Outcome::denied, denied, std::string(reason)});
    // Before the first connection it may be tried again; afterwards all that was in hand is the broker's.
    if (was_up_) fail({sdk::Outcome::disconnected, 0, std::string(reason)});
  }

  void fail(const sdk::Report& why) {
    if (over_) return;
    const Errc code = why.code == 404 ? Errc::unroutable : sdk::code_of(why.outcome);
    const char* done = act_ == Act::replay ? "replayed" : act_ == Act::discard ? "thrown away" : "listed";
    const std::uint64_t count = act_ == Act::list ? listed_.size() : report_.done;
    end(std::make_exception_ptr(ClientError(code,
                                            fmt::format("dead letters of '{}': {}: {}; {} until then: {}",
                                                        options_.queue, to_string(code), why.text, done, count),
                                            why.code)));
  }
  void finish() { end(nullptr); }

  void end(std::exception_ptr failure) {
    if (std::exchange(over_, true)) return;
    failure_ = std::move(failure);
    around_.cancel();
    // Behind what was acknowledged: the link posts that.
    loop_.post([this] { link_.close([this] { loop_.stop(); }); });
  }

  const DeadLetterOptions& options_;
  const DeadLetterFilter& filter_;
  const task::DeadLetterFilter rules_;
  const Act act_;
  const std::size_t limit_;
  std::size_t prefetch_;  // 0: no limit.
  std::size_t kept_ = 0;
  std::size_t in_flight_ = 0;
  DeadLetterReport report_;
  std::vector<DeadLetter> listed_;
  bool was_up_ = false;
  bool over_ = false;
  int quiet_ = 0;
  Monotonic moved_{};
  std::exception_ptr failure_;
  net::EventLoop loop_;
  sdk::Link link_;
  sdk::SubscriptionId subscription_ = 0;
  net::Timer around_;
};

DeadLetterReport walk(const std::string& url, const DeadLetterOptions& options, const DeadLetterFilter& filter, Act act,
                      bool all) {
  if (!all && rules_of(filter).empty() && !filter.where) {
    throw ClientError(Errc::invalid_argument, "say which dead letters: the filter is empty");
  }
  auto endpoints = sdk::parse_endpoints(url);
  if (!endpoints) throw ClientError(Errc::invalid_argument, endpoints.error().message);
  return Walk(*endpoints, options, filter, act, 0).run();
}

}  // namespace

DeadLetters::DeadLetters(std::string url, DeadLetterOptions options)
    : url_(std::move(url)), options_(std::move(options)) {
  if (auto endpoints = sdk::parse_endpoints(url_); !endpoints) {
    throw ClientError(Errc::invalid_argument, endpoints.error().message);
  }
}

std::vector<DeadLetter> DeadLetters::list(const DeadLetterFilter& filter, std::size_t limit) const {
  if (limit == 0) return {};
  Walk walk(*sdk::parse_endpoints(url_), options_, filter, Act::list, limit);
  walk.run();
  return walk.take_listed();
}

DeadLetterReport DeadLetters::replay(const DeadLetterFilter& filter) const {
  return walk(url_, options_, filter, Act::replay, false);
}
DeadLetterReport DeadLetters::replay_all() const {
  return walk(url_, options_, {}, Act::replay, true);
}
DeadLetterReport DeadLetters::discard(const DeadLetterFilter& filter) const {
  return walk(url_, options_, filter, Act::discard, false);
}
DeadLetterReport DeadLetters::discard_all() const {
  return walk(url_, options_, {}, Act::discard, true);
}

}  // namespace wherry
