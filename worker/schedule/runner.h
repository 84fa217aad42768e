// ScheduleRunner: one of the schedulers of a schedule, on one loop. Waits until it is the active one; then enqueues
// what is due and keeps the state at the broker. How schedulers agree is told in docs/schedules.md, "Once".
//
// The queue of the schedule's name holds the state and is the lock: its single active consumer is the active scheduler.
// Each scheduler puts a message there when it comes, so that there is something to get; getting one means to be active,
// and once its own next message has come back all that was there before is known. A connection that is lost is not
// recovered but made anew: what was on its way must not be sent by one who is not active any more.
// Where the broker looks for duplicates the state follows a tick's confirm, and a tick that is sent twice comes once.
// Where it does not, the state that counts a tick goes out right behind it, in the same write: who has the one has
// both.
//
// Threads: everything on the loop's. Lifetime: the loop outlives it; after the destructor no callback comes.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/event_loop.h"
#include "sdk/client/routes.h"
#include "sdk/link/link.h"
#include "worker/schedule/agenda.h"
#include "worker/schedule/inquiry.h"
#include "worker/schedule/settings.h"
#include "worker/schedule/ticks.h"

namespace wherry::schedule {

struct RunnerConfig {
  sdk::LinkConfig link;
  sdk::Router router{"celery"};
  Serializer serializer = Serializer::msgpack;
  Settings settings;
  bool remote_control = true;  // Answers what is asked of it: inquiry.h.
  std::function<WallTime()> wall_clock = [] { return std::chrono::system_clock::now(); };
  std::chrono::milliseconds look_again{1'000};          // At the latest: clocks are set, machines sleep.
  std::chrono::milliseconds retry_after{5'000};         // What the broker refused.
  std::chrono::milliseconds rewrite_after{5 * 60'000};  // Before a broker wonders why the state is not acknowledged.
};

struct RunnerEvents {
  std::function<void()> on_ready = {};   // It is at the broker, active or not; once.
  std::function<void()> on_active = {};  // Each time that it becomes the active one.
  // This scheduler cannot work here and should be stopped; at most once.
  std::function<void(std::string reason)> on_refused = {};
};

class ScheduleRunner {
 public:
  // Throws ClientError(invalid_argument) that names the entry which cannot be sent.
  ScheduleRunner(net::EventLoop& loop, RunnerConfig config, RunnerEvents events);
  ~ScheduleRunner();

  void start();
  // From when nothing is under way. Errors are logged, and what was before stays: another name of the schedule, an
  // entry that cannot be sent.
  void reload(Settings settings, sdk::Router router, Serializer serializer);
  // Finishes what is under way, for a few seconds at most, and lets the next one go on at once.
  void stop(std::function<void()> done);

 private:
  enum class Phase { away, standby, reading, active };
  struct Write {  // Of the state: the message that replaces those that were in hand when it was written.
    std::string id;
    std::size_t replaces = 0;
    bool confirmed = false;
    bool came_back = false;
  };

  void connect();
  void reconnect_soon(std::chrono::milliseconds after);
  void disconnect();
  void declare_targets();
  void on_up();
  void on_down(std::string_view reason, std::uint16_t denied);
  void refuse(std::string reason);
  void on_delivery(sdk::Delivery delivery);
  void become_active();
  void look();
  void look_later();
  void enqueue(const Agenda::Tick& tick);
  void on_enqueued(const Agenda::Tick& tick, const sdk::Report& report);
  void let_ask();
  void run_now(const std::string& entry, Inquiry::Ran done);
  void write();
  void written();
  void publish_state(const std::string& id, const State& state, sdk::Done done);
  void take_reloaded();
  void end_when_idle();
  // A callback of the connection that stands; one of an earlier connection does nothing.
  sdk::Done here(sdk::Done done);

  net::EventLoop& loop_;
  RunnerConfig config_;
  RunnerEvents events_;
  struct Reloaded {
    Settings settings;
    sdk::Router router;
    Serializer serializer;
    std::vector<sdk::OnceTarget> targets;
  };
  static std::vector<sdk::OnceTarget> make_targets(const Settings& settings, const sdk::Router& router,
                                                   Serializer serializer, WallTime now);

  std::vector<sdk::OnceTarget> targets_;  // One an entry.
  std::optional<Reloaded> reloaded_;      // Waits until nothing is under way.
  Agenda agenda_;
  std::unique_ptr<sdk::Link> link_;
  std::unique_ptr<Inquiry> inquiry_;  // Of the link.
  std::uint64_t connection_ = 0;
  bool was_up_ = false;
  bool ready_ = false;
  bool refused_ = false;
  bool claims_ = false;  // The broker does not look for duplicates.
  std::function<void()> on_stopped_;
  bool closing_ = false;

  Phase phase_ = Phase::away;
  std::string fence_;                      // The id of the message after which all is known.
  std::vector<sdk::DeliveryRef> in_hand_;  // The state, and what came since.
  std::optional<Write> write_;             // Under way.
  Monotonic rewrite_at_{};
  net::Timer timer_{loop_};
  net::Timer reconnect_timer_{loop_};
  net::Timer stop_timer_{loop_};
};

}  // namespace wherry::schedule
