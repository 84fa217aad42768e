// Shard: one thread with its loop, its connections and the queues whose home it is. What happens inside it takes no
// lock; what concerns another shard goes there as mail, handed over once at the end of each turn.
//
// Files: shard.cpp (life, connections, the turn), shard_queues.cpp (Host: near and far), shard_mail.cpp (mail that
// comes in), survey.cpp (what is told of it), shard_time.cpp (dead letters, delayed messages, queues' timers),
// scheduled.cpp (what people ask of those). Threads: everything on the shard's own, except post-like functions which
// say so.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "broker/queueing/delay_store.h"
#include "broker/session/host.h"
#include "broker/session/transaction.h"
#include "broker/shard/broker.h"
#include "broker/shard/endpoint.h"
#include "broker/shard/far_consumer.h"
#include "broker/shard/mailbox.h"
#include "broker/shard/survey.h"
#include "net/event_loop.h"

namespace wherry::broker {

class Shard final : public Host {
 public:
  Shard(unsigned index, Shared& shared);
  ~Shard() override;

  net::EventLoop& loop() { return loop_; }
  // Done behind the end of this turn, when its dead letters are routed and its mail is handed to everybody: what is
  // posted to the loop may be done before that. On this shard's thread.
  void in_next_turn(std::function<void()> work) {
    loop_.after_turn([this, work = std::move(work)]() mutable { loop_.post(std::move(work)); });
  }
  // Before anything else, once. Blocks while the store reads what it finds.
  Result<void> open_store();
  // Every queue that exists has been created.
  void recovered_all();
  void run();  // The thread's body, until finish() is done.

  // --- from any thread ---
  Mailbox& mailbox() { return mailbox_; }
  // seat: of the connections there may be. Empty: the one that has been in its handshake for longest gives way, or the
  // new one is told that it is one too many.
  void adopt(int socket, Taken seat);
  // The end of a part of this broker, with the rights of that user and no login.
  void adopt_internal(int socket, UserRef as);
  void adopt_tls(int socket, Taken seat);
  // Closes every connection; calls done on this shard's thread when the last is gone.
  void close_all(std::string reason, std::function<void()> done);
  // Definitions::committed() has moved.
  void definitions_committed();
  // What Alarms::reason() says now, and memory_short().
  void set_alarm(std::string reason, bool memory_short);
  bool behind() const { return gate_.behind(); }
  // Of a queue at home here; see Broker.
  void list_held(QueueEntryRef entry, ScheduleKey after, std::size_t limit, std::function<void(HeldPage)> reply);
  void cancel_held(QueueEntryRef entry, std::string name, std::function<void(std::size_t)> reply);
  void sweep(QueueEntryRef entry, Sweep::Range range, Sweep::Judge judge,
             std::function<void(Result<Sweep::Report>)> reply);
  std::optional<Monotonic> sync_began() const { return store_->sync_began(); }

  // --- for endpoints ---
  void retire(ConnectionId id);
  void visit_at_turn_end(ConnectionId id) { turn_end_visits_.push_back(id); }
  void visit_when_durable(ConnectionId id) { durable_visits_.push_back(id); }
  void visit_when_committed(ConnectionId id) { commit_visits_.push_back(id); }
  void await_gate(ConnectionId id);

  // --- for those who manage it ---
  // Closes the connections here that it is true of, with 320 and the text.
  void close_where(const std::function<bool(const Session& session)>& which, const std::string& text);
  // What is held here for these exchanges, which are gone.
  void drop_delayed(const std::string& vhost, std::span<const std::string> exchanges);

  // Publishes to a queue here; done(whether it was taken) when that is kept as a confirm would say so.
  void publish_here(const QueueEntryRef& entry, const MessageRef& message, std::function<void(bool accepted)> done);
  void when_durable(Lsn lsn, std::function<void()> done);

  // What there is and what it has done; survey.h puts the shards' answers together.
  void look_at(QueueState& row);
  std::vector<ConnectionState> connection_states() const;
  ShardState state();

  // --- for stand-ins and mail ---
  void send(unsigned to, Mail mail);
  void drop_stand_in(ConsumerKey key);
  // Policies may have changed what the queue obeys.
  void settings_changed(const SharedVhostRef& vhost, const QueueEntry& entry);
  Queue* find_queue(QueueId id);  // Null when it is not (any more) at home here.
  const DelayStore& delays() const { return store_->delays(); }

  // --- Host ---
  unsigned shard() const override { return index_; }
  ConsumerKey next_consumer_key() override { return next_key(); }
  SharedVhostRef find_vhost(std::string_view name) const override { return shared_.find_vhost(name); }
  const UserDirectory& users() const override { return shared_.users(); }
  UserQuotaRef user_quota(std::string_view user) const override { return shared_.user_quota(user); }
  std::uint64_t now_ms() const override;
  void heard(const SharedVhostRef& vhost, const MessageRef& message) override {
    shared_.tap().hear(vhost->name(), message);
  }
  ShardCounts& counts() override { return counts_; }
  std::shared_ptr<ExchangeCounts> exchange_counts(const SharedVhostRef& vhost, std::string_view exchange) override;
  Lsn durable() const override { return store_->durable(); }
  const PublisherGate& gate() const override { return gate_; }
  TransactionRoom& transactions() override { return transactions_; }
  std::uint64_t recorded() const override;
  std::uint64_t committed() const override;
  void create_queue(const SharedVhostRef& vhost, const QueueEntryRef& entry) override;
  void declared_again(const QueueEntryRef& entry, std::function<void(Counts)> reply) override;
  void delete_queue(const SharedVhostRef& vhost, const QueueEntryRef& entry, DeleteIf condition,
                    std::function<void(AmqpResult<std::uint32_t>)> reply) override;
  void purge(const QueueEntryRef& entry, std::function<void(std::uint32_t)> reply) override;
  // On the queue's own shard. Nothing: it is gone; else the number of the change that keeps it, 0 where there is none.
  std::optional<std::uint64_t> set_stopped(const QueueEntryRef& entry, bool stopped);
  // Of an earlier run, before this one starts: it is kept already.
  void restore_stopped(const QueueEntryRef& entry);
  std::optional<Queue::Accepted> publish(const QueueEntryRef& entry, MessageRef message,
                                         const PublishTicket& ticket) override;
  Lsn publish_later(const SharedVhostRef& vhost, const MessageRef& message, std::uint64_t due_ms) override;
  void reply(const ReplyAddress& to, const SharedVhostRef& vhost, const MessageRef& message) override;
  ReplyAddresses& reply_addresses() override { return shared_.reply_addresses(); }
  void exchange_deleted(const SharedVhostRef& vhost, std::string_view exchange) override;
  void consume(const SharedVhostRef& vhost, const QueueEntryRef& entry, ChannelConsumer& consumer,
               const ConsumerOptions& options, std::function<void(AmqpResult<void>)> reply) override;
  void cancel(const QueueEntryRef& entry, ChannelConsumer& consumer, std::function<void()> reply) override;
  void leave(const QueueEntryRef& entry, std::vector<ConsumerKey> consumers, std::vector<DeliveryId> unsettled,
             bool lost) override;
  void forget_consumer(ConsumerKey key) override;
  void resume(const QueueEntryRef& entry, ChannelConsumer& consumer) override;
  void set_prefetch(const QueueEntryRef& entry, ChannelConsumer& consumer, std::uint32_t prefetch) override;
  void get(const QueueEntryRef& entry, bool no_ack, std::function<bool(std::optional<Got>)> reply) override;
  void settle(const QueueEntryRef& entry, Settlement how, std::span<const SettledDelivery> deliveries) override;
  void await_dead_letters(std::vector<unsigned> homes, std::function<void()> reply) override;

 private:
  void serve(std::unique_ptr<net::Stream> stream, const SessionConfig& config, Taken seat, UserRef internal = {});
  // A queue at home here.
  struct Home;
  // A consumer of a channel here. away: what it needs when its queue is far.
  struct Local {
    ChannelConsumer* consumer = nullptr;
    unsigned queue_home = 0;
    std::uint32_t epoch = 0;       // Resumes so far.
    bool refusing = false;         // It refused; whatever comes before resume() goes back.
    std::vector<DeliveryId> took;  // In this turn, not yet told to the home.
  };

  void note_young(ConnectionId id);
  bool in_handshake(ConnectionId id) const;
  Taken seat_of_oldest_handshake();
  std::uint64_t next_key();
  // Mail about a consumer's deliveries leaves in the order of the deliveries: before anything else is said of them.
  void tell_taken(ConsumerKey key, Local& local);
  void end_turn();
  void flush_mail();
  void check_stall();
  void check_gate();
  void gate_changed();
  void watch_held();
  void read_mail();

  // --- shard_queues.cpp: at the queue's home ---
  Home* find_home(QueueId id);
  Home* find_home(const QueueEntry& entry) const;  // Of an entry that is near.
  bool near(const QueueEntryRef& entry) const { return entry->home == index_; }
  Consumer* find_consumer_here(ConsumerKey key);
  void settle_here(Home* home, Settlement how, std::span<const SettledDelivery> deliveries);
  AmqpResult<std::uint32_t> delete_here(const SharedVhostRef& vhost, QueueId queue, DeleteIf condition);
  void after_consumer_left(QueueId queue);
  void leave_here(QueueId queue, std::span<const ConsumerKey> consumers, std::span<const DeliveryId> unsettled,
                  bool lost);
  // Runs ask(shard) at the entry's home, and reply(what it gave) here.
  template <class Ask, class Reply>
  void ask_home(const QueueEntryRef& entry, Ask ask, Reply reply);
  AmqpResult<void> add_consumer_here(const QueueEntry& entry, const SharedVhost& vhost, Consumer& consumer,
                                     const ConsumerOptions& options);
  void remove_consumer_here(QueueId queue, Consumer& consumer);

  // --- sweep.cpp ---
  struct Sweeping;
  void sweep_on(const std::shared_ptr<Sweeping>& sweeping);
  void move(const std::shared_ptr<Sweeping>& sweeping, Position at, MessageRef message, const std::string& name);
  void swept(const std::shared_ptr<Sweeping>& sweeping);

  // --- shard_mail.cpp ---
  void read(mail::Publish& mail);
  void read(mail::Settle& mail);
  void read(mail::Resume& mail);
  void read(mail::Took& mail);
  void read(mail::GiveBack& mail);
  void read(mail::Deliver& mail);
  void read(mail::Published& mail);
  void read(mail::QueueDeleted& mail);
  void read(mail::Reply& mail);
  void read(mail::Call& mail) { mail.run(*this); }

  // --- shard_time.cpp ---
  void route_dead_letters();
  struct Leaving;
  void publish_dead_letter(const QueueEntryRef& to, const MessageRef& message, const std::shared_ptr<Leaving>& leaving);
  void fire_delayed();
  void set_delay_timer();
  void settle_fired();
  void far_fired(std::uint64_t firing);
  void on_durable();

  const unsigned index_;
  Shared& shared_;
  net::EventLoop loop_;
  Mailbox mailbox_;
  std::unique_ptr<MessageStore> store_;
  PublisherGate gate_;
  TransactionRoom transactions_;
  std::uint64_t last_key_ = 0;
  ShardCounts counts_;
  std::map<ExchangeId, std::shared_ptr<ExchangeCounts>> exchange_counts_;

  std::unordered_map<QueueId, std::unique_ptr<Home>> homes_;
  std::unordered_map<ConsumerKey, Local> locals_;
  std::unordered_map<ConsumerKey, std::unique_ptr<FarConsumer>> stand_ins_;
  std::unordered_map<ConnectionId, std::unique_ptr<Endpoint>> endpoints_;
  struct Shaking {  // TLS, before it is an endpoint.
    std::unique_ptr<net::Connecting> handshake;
    Taken seat;
  };
  std::unordered_map<ConnectionId, Shaking> shaking_;
  std::deque<ConnectionId> young_;  // In their order; those in front may have come through the handshake, or be gone.
  std::vector<ConnectionId> retired_;
  std::vector<ConnectionId> turn_end_visits_;
  std::vector<std::vector<Mail>> outgoing_;  // By shard.
  std::vector<ConsumerKey> took_;            // Consumers that took something in this turn.
  std::vector<DeadLetter> dead_letters_;     // Of this turn.
  struct Firing {                            // Delayed messages that were taken in one turn.
    ScheduleKey last;
    std::size_t far = 0;  // Publishes to other shards that are not durable there yet.
  };
  std::deque<Firing> firing_;
  std::uint64_t first_firing_ = 1;  // The number of the front of firing_.
  net::WallTimer delay_timer_{loop_};
  net::Timer fire_again_timer_{loop_};
  std::uint64_t delay_timer_at_ = 0;
  struct FarConfirm {  // A publish from another shard that waits for our store.
    Lsn durable_at = 0;
    unsigned from = 0;
    Mail answer;
  };
  std::deque<FarConfirm> far_confirms_;
  std::vector<ConnectionId> durable_visits_;  // Sessions with confirms that wait for the store.
  std::vector<ConnectionId> at_gate_;         // Whose publishes met it closed.
  std::vector<ConnectionId> commit_visits_;   // Sessions whose output waits for definitions.
  net::Timer gate_timer_{loop_};
  net::Timer held_timer_{loop_};
  bool memory_short_ = false;
  bool stalled_ = false;
  net::Timer stall_timer_{loop_};
  std::function<void()> all_closed_;  // Set by close_all().
};

}  // namespace wherry::broker
