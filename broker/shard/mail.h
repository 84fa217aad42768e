// Mail: what one shard tells another. Plain values; queues, sessions and consumers go by their ids, because who is
// meant may be gone when the mail is read.
//
// Order: mail from one shard to another is read in the order it was sent.
#pragma once

#include <cstdint>
#include <functional>
#include <variant>
#include <vector>

#include "broker/session/direct_reply.h"
#include "broker/session/host.h"

namespace wherry::broker {

class Shard;

namespace mail {

// To the queue's home.
struct Publish {
  QueueId queue = 0;
  MessageRef message;
  unsigned from = 0;  // Shard of the ticket's session.
  PublishTicket ticket;
};
struct Settle {
  QueueId queue = 0;
  Settlement how = Settlement::ack;
  std::vector<SettledDelivery> deliveries;
};
// The consumer takes again. Deliveries with an older epoch were refused on arrival.
struct Resume {
  ConsumerKey consumer = 0;
  std::uint32_t epoch = 0;
};
// These deliveries were taken: the stand-in may send as many more. Without ack they are settled by this.
struct Took {
  ConsumerKey consumer = 0;
  std::vector<DeliveryId> deliveries;
};
struct GiveBack {
  ConsumerKey consumer = 0;
  DeliveryId delivery;
};

// To the consumer's (or publisher's) shard.
struct Deliver {
  ConsumerKey consumer = 0;
  QueueId queue = 0;
  unsigned home = 0;
  std::uint32_t epoch = 0;
  Delivery delivery;
};
struct Published {
  PublishTicket ticket;
  bool accepted = true;
};
struct QueueDeleted {
  ConsumerKey consumer = 0;
};
// To the channel that consumes direct replies.
struct Reply {
  ReplyAddress to;
  SharedVhostRef vhost;
  MessageRef message;
};

// Anything that is rare enough to cost a closure: requests and their answers.
struct Call {
  std::function<void(Shard& there)> run;
};

}  // namespace mail

using Mail = std::variant<mail::Publish, mail::Settle, mail::Resume, mail::Took, mail::GiveBack, mail::Deliver,
                          mail::Published, mail::QueueDeleted, mail::Reply, mail::Call>;

}  // namespace wherry::broker
