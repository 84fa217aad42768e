// tx.*: what a transactional channel holds back, and its end.
#include <algorithm>

#include "broker/session/channel_impl.h"

namespace wherry::broker {

using amqp::ReplyCode;

void Channel::on(const amqp::TxSelect&) {
  if (confirming_) {
    return refuse<amqp::TxSelect>({ReplyCode::precondition_failed, "cannot switch from confirm to tx mode", {}, false});
  }
  if (!transaction_) transaction_ = std::make_unique<Transaction>(session_.host().transactions());
  send(amqp::TxSelectOk{});
}

AmqpResult<void> Channel::hold(Transaction::Publish publish) {
  if (transaction_->hold(std::move(publish))) return {};
  return amqp_fail(ReplyCode::precondition_failed,
                   fmt::format("no room for what this transaction holds: at most {} bytes, and {} for all",
                               TransactionRoom::most_for_one, TransactionRoom::most_for_all));
}

void Channel::on(const amqp::TxCommit&) {
  if (!transaction_) {
    return refuse<amqp::TxCommit>({ReplyCode::precondition_failed, "channel is not transactional", {}, false});
  }
  const std::uint64_t tag = confirms_.next_tag();
  Handed all;
  for (Transaction::Publish& publish : transaction_->take_publishes()) {
    if (publish.known && !once_.begin(publish.known, *publish.message)) continue;
    // Due from now on: nothing of a transaction was there before.
    if (publish.delay_ms > 0) {
      const Lsn lsn =
          session_.host().publish_later(session_.vhost(), publish.message, session_.host().now_ms() + publish.delay_ms);
      once_.settle(0, 0);
      all.durable_at = std::max(all.durable_at, lsn);
      continue;
    }
    std::erase_if(publish.queues, [](const QueueEntryRef& queue) { return queue->deleted.load(); });
    all += hand_over(std::move(publish.message), publish.mandatory, publish.replies, publish.queues, tag);
  }
  transaction_->commit(tag);
  confirms_.add(all.far, all.durable_at, all.refused);
  ask_confirm_flush();
  // In this shard's log they stand behind the publishes: no crash keeps these and loses those.
  if (all.far == 0 && !all.refused) settle_all(transaction_->take_near(session_.host().shard()));
}

void Channel::settle_all(const std::vector<Transaction::Settled>& settled) {
  for (const Transaction::Settled& each : settled) {
    gave_back(bytes_of(each.entries));
    settle_now(each.entries, each.how);
  }
  if (!settled.empty()) resume_parked();
}

void Channel::committed(std::uint64_t tag, bool multiple, bool ok) {
  // An earlier commit's failure may have ended the channel.
  if (ended_) return;
  transaction_->complete(tag, multiple, ok);
  while (auto outcome = transaction_->take_complete()) {
    if (!outcome->ok) {
      return refuse<amqp::TxCommit>({ReplyCode::precondition_failed, "partial tx completion", {}, false});
    }
    settle_all(outcome->settled);
    send(amqp::TxCommitOk{});
  }
}

void Channel::on(const amqp::TxRollback&) {
  if (!transaction_) {
    return refuse<amqp::TxRollback>({ReplyCode::precondition_failed, "channel is not transactional", {}, false});
  }
  unsettled_.put_back(transaction_->roll_back());
  send(amqp::TxRollbackOk{});
}

}  // namespace wherry::broker
