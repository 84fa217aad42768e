// Metrics: what Prometheus scrapes, by RabbitMQ's names: GET /metrics sums objects up, /metrics/per-object names each
// queue, connection and channel, /metrics/detailed?family=F&vhost=V gives the families that are asked for, of these
// virtual hosts. docs/metrics.md lists the series.
//
// Nobody has to log in, as with RabbitMQ: listen where only those connect who may see it. Threads: the desk's.
#pragma once

#include <string>

#include "broker/admin/routes.h"

namespace wherry::broker::admin {

HttpAnswer answer_metrics(Desk& desk, const HttpRequest& request);

}  // namespace wherry::broker::admin
