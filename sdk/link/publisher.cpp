#include "sdk/link/publisher.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/assert.h"
#include "base/log.h"
#include "base/uuid.h"

namespace wherry::sdk {

namespace {

const Report nacked{Outcome::refused, 0, "the broker did not take the message (nack)"};
// Not the last word: who can wait longer than the deadline may try again.
const Report nacked_so_far{Outcome::timed_out, 0,
                           "the broker did not take the message (nack): its queue has no leader, or is full"};

}  // namespace

Prepared::Prepared(Publication message, Done when_reported)
    : exchange(std::move(message.exchange)),
      routing_key(std::move(message.routing_key)),
      body(std::move(message.body)),
      mandatory(message.mandatory),
      deadline(message.deadline),
      done(std::move(when_reported)) {
  if (!message.properties.message_id) message.properties.message_id = random_name(22);
  raw_properties = amqp::encode_properties(message.properties);
  message_id = *std::move(message.properties.message_id);
}

Publisher::Publisher(std::size_t max_unconfirmed, std::size_t max_waiting, bool renews)
    : max_unconfirmed_(max_unconfirmed), max_waiting_(max_waiting), renewal_(renews) {}
Publisher::~Publisher() = default;

void Publisher::up(amqp::Connection& wire, std::uint16_t channel) {
  WHERRY_ASSERT(!wire_ && in_flight_.empty());
  wire_ = &wire;
  channel_ = channel;
  first_tag_ = 1;
  renewal_.opened();
  pump();
}

void Publisher::down(const Report* blamed) {
  wire_ = nullptr;
  in_flight_bytes_ = 0;
  std::deque<PreparedRef> again;
  for (auto& entry : in_flight_) {
    if (!entry || entry->reported) continue;
    entry->returned.reset();
    entry->nacked = false;
    again.push_back(std::move(entry));
  }
  in_flight_.clear();
  renewal_.closed(again.size());
  Done refused;
  if (blamed && again.size() == 1) {
    refused = take(*again.front());
    again.clear();
    if (suspects_ > 0) --suspects_;
  } else if (blamed) {
    suspects_ = std::max(suspects_, again.size());
  }
  waiting_.insert(waiting_.begin(), std::make_move_iterator(again.begin()), std::make_move_iterator(again.end()));
  if (refused) refused(*blamed);
}

void Publisher::publish(PreparedRef entry, Monotonic now) {
  if (count_ >= max_waiting_) {
    if (entry->done) entry->done({Outcome::overloaded, 0, "too many messages wait to be published"});
    return;
  }
  ++count_;
  if (entry->deadline != Monotonic::max()) {
    // One that comes too late is reported by the next on_time(), in its turn, like any other. Most often it is the
    // latest.
    entry->waiting_until = deadlines_.emplace_hint(deadlines_.end(), std::max(entry->deadline, now), entry.get());
  }
  waiting_.push_back(std::move(entry));
  renewal_.begin(now);
  pump();
}

void Publisher::hold(bool held) {
  held_ = held;
  pump();
}

void Publisher::pump() {
  if (!wire_ || held_ || renewal_.holds()) return;
  const std::size_t window = suspects_ > 0 ? 1 : max_unconfirmed_;
  while (!waiting_.empty() && in_flight_.size() < window &&
         (in_flight_bytes_ < max_unconfirmed_bytes || in_flight_.empty())) {
    auto entry = std::move(waiting_.front());
    waiting_.pop_front();
    send(*entry);
    in_flight_bytes_ += entry->body.size();
    in_flight_.push_back(std::move(entry));
  }
}

void Publisher::send(Prepared& entry) {
  amqp::BasicPublish method;
  method.exchange = entry.exchange;
  method.routing_key = entry.routing_key;
  method.mandatory = entry.mandatory;
  wire_->send_content(channel_, amqp::Method(method), entry.raw_properties, entry.body);
}

void Publisher::settle(std::uint64_t tag, bool multiple, Answer answer) {
  const std::uint64_t past = first_tag_ + in_flight_.size();
  if (multiple && tag == 0) tag = past - 1;
  if (tag < first_tag_ || tag >= past) return;  // Nothing of ours: a confirm that was merged twice.
  std::vector<std::pair<Done, Report>> finished;
  for (std::uint64_t at = multiple ? first_tag_ : tag; at <= tag; ++at) {
    auto& entry = in_flight_[at - first_tag_];
    if (!entry || entry->nacked) continue;
    if (answer == Answer::try_again && !entry->reported) {
      entry->nacked = entry->was_nacked = true;
      continue;
    }
    in_flight_bytes_ -= entry->body.size();
    if (suspects_ > 0) --suspects_;
    if (!entry->reported) {
      Report report = answer == Answer::taken ? Report{} : nacked;
      if (entry->returned) report = *std::move(entry->returned);
      finished.emplace_back(take(*entry), std::move(report));
    }
    entry.reset();
  }
  while (!in_flight_.empty() && !in_flight_.front()) {
    in_flight_.pop_front();
    ++first_tag_;
  }
  pump();
  for (auto& [done, report] : finished) {
    if (done) done(report);
  }
}

void Publisher::on_return(const amqp::BasicReturn& method, std::string_view message_id) {
  for (auto& entry : in_flight_) {
    if (!entry || entry->returned || entry->message_id != message_id || entry->exchange != method.exchange ||
        entry->routing_key != method.routing_key) {
      continue;
    }
    entry->returned = Report{Outcome::unroutable, method.reply_code, std::string(method.reply_text)};
    return;
  }
}

// Counts the entry out; what is left of it is its place in line.
Done Publisher::take(Prepared& entry) {
  WHERRY_ASSERT(!entry.reported);
  entry.reported = true;
  if (entry.waiting_until) deadlines_.erase(*entry.waiting_until);
  entry.waiting_until.reset();
  --count_;
  return std::move(entry.done);
}

void Publisher::on_time(Monotonic now, const Report& late) {
  look_after_channel(now);
  std::vector<std::pair<Done, bool>> finished;
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    Prepared& over = *deadlines_.begin()->second;
    finished.emplace_back(take(over), over.was_nacked);
  }
  if (finished.empty()) return;
  std::size_t gone_suspects = 0;
  for (std::size_t i = 0; i < std::min(suspects_, waiting_.size()); ++i) gone_suspects += waiting_[i]->reported;
  suspects_ -= gone_suspects;
  std::erase_if(waiting_, [](const auto& entry) { return entry->reported; });
  for (auto& [done, was_nacked] : finished) {
    if (done) done(was_nacked ? nacked_so_far : late);
  }
}

void Publisher::look_after_channel(Monotonic now) {
  if (renewal_.next() > now) return;
  const auto answered = [](const PreparedRef& entry) { return !entry || entry->nacked; };
  Renewal::Wire wire;
  wire.sending = wire_ && !held_;
  wire.pending = count_ > 0 || !in_flight_.empty();
  wire.settled = std::all_of(in_flight_.begin(), in_flight_.end(), answered);
  wire.oldest_tag = in_flight_.empty() ? 0 : first_tag_;
  switch (renewal_.on_time(now, wire)) {
    case Renewal::Step::none:
      return;
    case Renewal::Step::ask:
      return wire_->send(channel_, amqp::ConfirmSelect{});
    case Renewal::Step::renew:
      log::warning("sdk", "{} of {} publishes were nacked, the others have no confirm: again on a new channel",
                   std::count_if(in_flight_.begin(), in_flight_.end(), [](const auto& e) { return e && e->nacked; }),
                   std::count_if(in_flight_.begin(), in_flight_.end(), [](const auto& e) { return e != nullptr; }));
      return wire_->close_channel(channel_, {amqp::ReplyCode::success, "publishes get nowhere", {}, false});
  }
}

Monotonic Publisher::next_deadline() const {
  return std::min(renewal_.next(), deadlines_.empty() ? Monotonic::max() : deadlines_.begin()->first);
}

void Publisher::fail_all(const Report& report) {
  std::vector<Done> finished;
  for (auto* list : {&in_flight_, &waiting_}) {
    for (auto& entry : *list) {
      if (entry && !entry->reported) finished.push_back(take(*entry));
    }
  }
  waiting_.clear();
  suspects_ = std::min<std::size_t>(suspects_, in_flight_.size());
  for (auto& done : finished) {
    if (done) done(report);
  }
}

}  // namespace wherry::sdk
