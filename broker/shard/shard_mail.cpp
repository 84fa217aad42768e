// Mail that comes in from other shards.
#include "broker/shard/home.h"
#include "broker/shard/shard.h"

namespace wherry::broker {

void Shard::read_mail() {
  std::vector<Mail> batch = mailbox_.take();
  for (Mail& each : batch) {
    std::visit([this](auto& mail) { read(mail); }, each);
  }
}

// --- at a queue's home -----------------------------------------------------------------------------------------------

void Shard::read(mail::Publish& mail) {
  Home* home = find_home(mail.queue);
  // A queue deleted while the message was on its way: the publisher did nothing wrong.
  const Queue::Accepted outcome = home ? home->queue.publish(std::move(mail.message)) : Queue::Accepted{};
  if (mail.ticket.tag == 0) return;
  mail::Published answer{mail.ticket, outcome.accepted};
  if (outcome.durable_at <= store_->durable()) {
    send(mail.from, std::move(answer));
  } else {
    far_confirms_.push_back({outcome.durable_at, mail.from, std::move(answer)});
  }
}

void Shard::read(mail::Settle& mail) {
  settle_here(find_home(mail.queue), mail.how, mail.deliveries);
}

void Shard::read(mail::Resume& mail) {
  if (auto found = stand_ins_.find(mail.consumer); found != stand_ins_.end()) found->second->resume(mail.epoch);
}

void Shard::read(mail::Took& mail) {
  if (auto found = stand_ins_.find(mail.consumer); found != stand_ins_.end()) found->second->took(mail.deliveries);
}

void Shard::read(mail::GiveBack& mail) {
  if (auto found = stand_ins_.find(mail.consumer); found != stand_ins_.end()) found->second->give_back(mail.delivery);
}

// --- at a consumer's or publisher's shard ----------------------------------------------------------------------------

void Shard::read(mail::Deliver& mail) {
  auto found = locals_.find(mail.consumer);
  if (found == locals_.end()) {
    // Its channel has left: as it hears of that, the home takes back what was under way.
    return;
  }
  Local& local = found->second;
  const bool stale = local.refusing || mail.epoch != local.epoch;
  if (!stale && local.consumer->deliver(mail.delivery)) {
    if (local.took.empty()) took_.push_back(mail.consumer);
    local.took.push_back(mail.delivery.id());
    return;
  }
  // What an older epoch sent goes back, and nothing more is meant by it.
  if (!stale) local.refusing = true;
  tell_taken(mail.consumer, local);
  send(mail.home, mail::GiveBack{mail.consumer, mail.delivery.id()});
}

void Shard::read(mail::Published& mail) {
  // Nobody's: a delayed message.
  if (mail.ticket.connection == 0) return far_fired(mail.ticket.tag);
  auto found = endpoints_.find(mail.ticket.connection);
  if (found != endpoints_.end()) found->second->session().on_published(mail.ticket, mail.accepted);
}

void Shard::read(mail::QueueDeleted& mail) {
  auto found = locals_.find(mail.consumer);
  if (found == locals_.end()) return;
  ChannelConsumer* consumer = found->second.consumer;
  consumer->on_queue_deleted();  // Forgets itself here.
}

void Shard::read(mail::Reply& mail) {
  auto found = endpoints_.find(mail.to.connection);
  if (found != endpoints_.end()) found->second->session().on_reply(mail.to, mail.vhost, *mail.message);
}

}  // namespace wherry::broker
