#include "perf/run.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "perf/clock.h"
#include "perf/consumer.h"
#include "perf/interrupt.h"
#include "perf/producer.h"

namespace wherry::perf {

namespace {

constexpr std::uint64_t longest_wait_ns = 50'000'000;
constexpr std::uint64_t moment_ns = 100'000'000;
constexpr std::uint64_t live_ns = 250'000'000;
constexpr double drain_after_interrupt_s = 2;

class Run {
 public:
  Run(const Workload& workload, const sdk::Endpoint& endpoint, const ProcessWatch& watch, Live& live,
      RunOptions options)
      : workload_(workload), endpoint_(endpoint), watch_(watch), live_(live), options_(options), meter_(watch) {}
  ~Run() {
    if (epoll_ >= 0) ::close(epoll_);
  }

  Result<RunResult> operator()() {
    if (auto ready = connect_producers(); !ready) return tl::unexpected(ready.error());
    if (workload_.producers == 0) meter_.start();
    if (auto ready = connect_consumers(); !ready) return tl::unexpected(ready.error());
    if (workload_.producers > 0) {
      meter_.start();
      begin_ns_ = now_ns();
    }
    if (auto ready = watch_sockets(); !ready) return tl::unexpected(ready.error());
    loop();
    finish_consumers();
    return report();
  }

 private:
  // --- setting up ---------------------------------------------------------------------------------------------------
  Result<std::unique_ptr<Connection>> connect() {
    auto connection = Connection::open(endpoint_);
    if (connection) result_.broker = (*connection)->product();
    return connection;
  }

  Result<void> connect_producers() {
    for (unsigned i = 0; i < workload_.producers; ++i) {
      auto connection = connect();
      if (!connection) return tl::unexpected(connection.error());
      if (workload_.confirm_window > 0) {
        auto confirming = (*connection)->call(amqp::ConfirmSelect{}, amqp::ConfirmSelectOk::id);
        if (!confirming) return tl::unexpected(confirming.error());
      }
      producers_.push_back(std::make_unique<Producer>(std::move(*connection), totals_, workload_, i));
    }
    return {};
  }

  Result<void> connect_consumers() {
    for (unsigned i = 0; i < workload_.consumers; ++i) {
      auto connection = connect();
      if (!connection) return tl::unexpected(connection.error());
      consumers_.push_back(std::make_unique<Consumer>(std::move(*connection), totals_, workload_));
      if (auto ready = consumers_.back()->prepare(); !ready) return ready;
    }
    begin_ns_ = now_ns();
    if (consumers_.empty()) return {};
    for (unsigned i = 0; i < std::max(workload_.consumers, workload_.queues); ++i) {
      Consumer& consumer = *consumers_[i % consumers_.size()];
      const std::string queue = workload_.queue(i % workload_.queues);
      // Without producers the queues hold messages, which come at once.
      if (auto ready = consumer.consume(queue, workload_.producers > 0); !ready) return ready;
    }
    return {};
  }

  Result<void> watch_sockets() {
    // Otherwise the kernel may let a paced message wait for 50 microseconds more.
    ::prctl(PR_SET_TIMERSLACK, 1000, 0, 0, 0);
    epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
    if (epoll_ < 0) return fail(fmt::format("epoll: {}", std::strerror(errno)));
    for (auto& consumer : consumers_) {
      add(*consumer, false);
      consumer->on_input(now_ns());
    }
    for (auto& producer : producers_) add(*producer, !workload_.measures_latency());
    return {};
  }

  // --- epoll --------------------------------------------------------------------------------------------------------
  void add(Peer& peer, bool writable) {
    epoll_event event{};
    event.events = EPOLLIN | (writable ? std::uint32_t(EPOLLOUT) : 0u);
    event.data.ptr = &peer;
    if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, peer.fd(), &event) < 0) {
      totals_.fail(fmt::format("epoll: {}", std::strerror(errno)));
    }
    peer.wants_writable = writable;
  }

  void want_writable(Peer& peer, bool writable) {
    if (peer.wants_writable == writable) return;
    epoll_event event{};
    event.events = EPOLLIN | (writable ? std::uint32_t(EPOLLOUT) : 0u);
    event.data.ptr = &peer;
    ::epoll_ctl(epoll_, EPOLL_CTL_MOD, peer.fd(), &event);
    peer.wants_writable = writable;
  }

  // --- the loop -----------------------------------------------------------------------------------------------------
  void loop() {
    next_due_ns_ = begin_ns_ + 1'000'000;
    totals_.recording = workload_.warm_s <= 0;
    while (totals_.failure.empty()) {
      const std::uint64_t now = now_ns();
      look_at_clock(now);
      if (stopping_ && (done() || now > give_up_ns_)) {
        if (!done()) totals_.fail(what_is_missing());
        break;
      }
      std::uint64_t wait = longest_wait_ns;
      if (workload_.measures_latency()) wait = publish_due(now);
      handle_events(wait);
    }
    end_ns_ = now_ns();
    moment(end_ns_);
    live_.clear();
  }

  void look_at_clock(std::uint64_t now) {
    if (!totals_.recording && seconds_between(begin_ns_, now) >= workload_.warm_s) totals_.recording = true;
    if (!stopping_ && should_stop(now)) {
      stopping_ = true;
      stopped_ns_ = now;
      give_up_ns_ = now + to_ns(result_.interrupted ? std::min(workload_.drain_limit_s, drain_after_interrupt_s)
                                                    : workload_.drain_limit_s);
    } else if (stopping_ && interrupted() && !result_.interrupted) {
      result_.interrupted = true;
      give_up_ns_ = std::min(give_up_ns_, now + to_ns(drain_after_interrupt_s));
    }
    // As long as something comes, the rest is waited for.
    if (const std::uint64_t come = totals_.delivered + totals_.confirmed; stopping_ && come != come_) {
      come_ = come;
      if (!result_.interrupted) give_up_ns_ = now + to_ns(workload_.drain_limit_s);
    }
    note_in_flight();
    if (workload_.producers > 0 && totals_.blocked == workload_.producers) {
      if (blocked_since_ns_ == 0) blocked_since_ns_ = now;
    } else if (blocked_since_ns_ != 0) {
      result_.blocked_s += seconds_between(blocked_since_ns_, now);
      blocked_since_ns_ = 0;
    }
    if (now >= next_moment_ns_) {
      moment(now);
      next_moment_ns_ = now + moment_ns;
    }
    if (live_.on() && now >= next_live_ns_) show_live(now);
  }

  bool should_stop(std::uint64_t now) {
    if (interrupted()) {
      result_.interrupted = true;
      return true;
    }
    if (workload_.producers == 0) return workload_.count > 0 || seconds_between(begin_ns_, now) >= workload_.seconds;
    if (workload_.count > 0) return totals_.published >= workload_.count;
    return seconds_between(begin_ns_, now) >= workload_.seconds;
  }

  std::uint64_t wanted_deliveries() const {
    return workload_.producers > 0 ? totals_.published * workload_.copies() : workload_.count;
  }
  std::uint64_t in_flight() const {
    if (workload_.producers == 0 || workload_.consumers == 0) return 0;
    const std::uint64_t due = totals_.published * workload_.copies();
    return due - std::min(due, totals_.delivered);
  }

  void note_in_flight() { result_.most_in_flight = std::max(result_.most_in_flight, in_flight()); }

  bool done() const {
    for (const auto& producer : producers_) {
      if (producer->has_output() || (!workload_.measures_latency() && producer->half_written())) return false;
    }
    if (workload_.confirm_window > 0 && totals_.confirmed < totals_.published) return false;
    if (workload_.consumers == 0) return true;
    // A message that was refused or came back is not delivered by anybody.
    const std::uint64_t lost = (totals_.refused + totals_.returned) * workload_.copies();
    return totals_.delivered + lost >= wanted_deliveries();
  }

  std::string what_is_missing() const {
    const double waited = workload_.drain_limit_s;
    if (workload_.confirm_window > 0 && totals_.confirmed < totals_.published) {
      return fmt::format("{} of {} messages were not confirmed, and nothing came for {:g} s",
                         totals_.published - totals_.confirmed, totals_.published, waited);
    }
    const std::uint64_t wanted = wanted_deliveries();
    return fmt::format("{} of {} messages did not arrive, and nothing came for {:g} s",
                       wanted - std::min(wanted, totals_.delivered), wanted, waited);
  }

  // Paced or one at a time. Returns how long the loop may sleep.
  std::uint64_t publish_due(std::uint64_t now) {
    std::uint64_t wait = longest_wait_ns;
    if (!stopping_ && workload_.rate > 0) {
      const auto interval = static_cast<std::uint64_t>(1e9 / workload_.rate);
      for (; next_due_ns_ <= now && !enough(); next_due_ns_ += interval) {
        if (totals_.recording) totals_.late.add(now - next_due_ns_);
        next_producer().publish_one(next_due_ns_);
      }
      if (next_due_ns_ > now) wait = std::min(wait, next_due_ns_ - now);
    } else if (!stopping_) {
      while (may_send_another() && !enough()) next_producer().publish_one(now_ns());
    }
    note_in_flight();
    for (auto& producer : producers_) {
      if (producer->has_output()) want_writable(*producer, !producer->flush());
    }
    return wait;
  }
  bool enough() const { return workload_.count > 0 && totals_.published >= workload_.count; }
  bool may_send_another() const {
    if (totals_.published >= totals_.delivered / workload_.copies() + workload_.depth) return false;
    return workload_.confirm_window == 0 || totals_.published < totals_.confirmed + workload_.depth;
  }
  Producer& next_producer() { return *producers_[next_producer_++ % producers_.size()]; }

  void handle_events(std::uint64_t wait_ns) {
    epoll_event events[64];
    const timespec wait{static_cast<time_t>(wait_ns / 1'000'000'000), static_cast<long>(wait_ns % 1'000'000'000)};
    const int count = ::epoll_pwait2(epoll_, events, 64, &wait, nullptr);
    for (int i = 0; i < count; ++i) {
      Peer& peer = *static_cast<Peer*>(events[i].data.ptr);
      if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) peer.on_readable();
      if (auto* producer = dynamic_cast<Producer*>(&peer)) {
        serve(*producer, events[i].events & EPOLLOUT);
      } else if (peer.has_output() || peer.wants_writable) {
        want_writable(peer, !peer.flush());
      }
    }
    // Deliveries and the end of the run let producers go on without an event of their own.
    if (!workload_.measures_latency() && (workload_.in_flight > 0 || totals_.ever_blocked || stopping_)) {
      for (auto& producer : producers_) {
        if (!producer->wants_writable) serve(*producer, true);
      }
    }
  }

  void serve(Producer& producer, bool writable) {
    if (workload_.measures_latency()) {
      if (writable) want_writable(producer, !producer.flush());
    } else if (producer.blocked()) {
      want_writable(producer, false);
    } else if (writable || !producer.wants_writable) {
      want_writable(producer, producer.publish_bulk(stopping_));
    }
  }

  // --- what is shown and kept ---------------------------------------------------------------------------------------
  void moment(std::uint64_t now) {
    Moment at{seconds_between(begin_ns_, now), totals_.published, totals_.confirmed, totals_.delivered, 0};
    if (options_.watch_memory) at.memory_kb = watch_.sample().memory_kb;
    result_.moments.push_back(at);
  }

  void show_live(std::uint64_t now) {
    const double span = seconds_between(live_at_ns_ == 0 ? begin_ns_ : live_at_ns_, now);
    const auto rate = [span](std::uint64_t from, std::uint64_t to) {
      return with_commas(span > 0 ? static_cast<std::uint64_t>(static_cast<double>(to - from) / span) : 0);
    };
    std::string line = fmt::format("{:6.1f} s", seconds_between(begin_ns_, now));
    if (workload_.producers > 0) {
      line += fmt::format("  published {}/s", rate(live_published_, totals_.published));
      if (workload_.confirm_window > 0) line += fmt::format("  confirmed {}", with_commas(totals_.confirmed));
    }
    if (workload_.consumers > 0) line += fmt::format("  delivered {}/s", rate(live_delivered_, totals_.delivered));
    if (workload_.producers > 0 && workload_.consumers > 0) {
      line += fmt::format("  in flight {}", with_commas(in_flight()));
    }
    if (totals_.end_to_end.count() > 0) {
      line += fmt::format("  p50 {} µs  p99 {} µs", totals_.end_to_end.quantile(0.5) / 1000,
                          totals_.end_to_end.quantile(0.99) / 1000);
    }
    if (totals_.blocked > 0) line += fmt::format("  blocked by the broker: {}", totals_.block_reason);
    if (stopping_) line += "  waiting for the rest";
    live_.show(line);
    live_published_ = totals_.published;
    live_delivered_ = totals_.delivered;
    live_at_ns_ = now;
    next_live_ns_ = now + live_ns;
  }

  // Before the broker's processor time is read it has handled every ack.
  void finish_consumers() {
    if (!totals_.failure.empty()) return;
    for (auto& consumer : consumers_) {
      if (auto finished = consumer->finish(); !finished && !interrupted()) totals_.fail(finished.error().message);
    }
  }

  RunResult report() {
    result_.usage = meter_.stop();
    if (stopped_ns_ == 0) stopped_ns_ = end_ns_;
    result_.seconds = seconds_between(begin_ns_, end_ns_);
    const auto rate = [this](std::uint64_t count, std::uint64_t until) {
      const double span = seconds_between(begin_ns_, until);
      return span > 0 ? static_cast<double>(count) / span : 0.0;
    };
    result_.published_per_s = rate(totals_.published, std::max(stopped_ns_, totals_.last_confirm_ns));
    result_.confirmed_per_s = rate(totals_.confirmed, totals_.last_confirm_ns);
    result_.delivered_per_s = rate(totals_.delivered, totals_.last_delivery_ns);
    result_.failure = totals_.failure;
    // Ctrl-C leaves messages outstanding; that is what it is for.
    if (result_.interrupted) result_.failure.clear();
    result_.totals = std::move(totals_);
    return std::move(result_);
  }

  const Workload& workload_;
  const sdk::Endpoint& endpoint_;
  const ProcessWatch& watch_;
  Live& live_;
  const RunOptions options_;
  Meter meter_;
  Totals totals_;
  RunResult result_;
  std::vector<std::unique_ptr<Producer>> producers_;
  std::vector<std::unique_ptr<Consumer>> consumers_;
  int epoll_ = -1;

  std::uint64_t begin_ns_ = 0;
  std::uint64_t stopped_ns_ = 0;  // When publishing ended.
  std::uint64_t give_up_ns_ = 0;
  std::uint64_t come_ = 0;  // What had been delivered and confirmed when it was last looked at.
  std::uint64_t end_ns_ = 0;
  std::uint64_t next_due_ns_ = 0;
  std::uint64_t next_moment_ns_ = 0;
  std::uint64_t next_live_ns_ = 0;
  std::uint64_t live_at_ns_ = 0;
  std::uint64_t live_published_ = 0;
  std::uint64_t live_delivered_ = 0;
  std::uint64_t blocked_since_ns_ = 0;
  std::size_t next_producer_ = 0;
  bool stopping_ = false;
};

}  // namespace

Result<RunResult> run_workload(const Workload& workload, const sdk::Endpoint& endpoint, const ProcessWatch& watch,
                               Live& live, RunOptions options) {
  return Run(workload, endpoint, watch, live, options)();
}

}  // namespace wherry::perf
