#include "sdk/link/topology.h"

namespace wherry::sdk {

void make_quorum_queues(Topology& topology) {
  for (Declaration& each : topology) {
    auto* queue = std::get_if<QueueSpec>(&each);
    if (!queue || queue->passive || !queue->durable || queue->exclusive || queue->auto_delete) continue;
    if (!queue->arguments.find("x-queue-type")) queue->arguments.set("x-queue-type", std::string("quorum"));
  }
}

}  // namespace wherry::sdk
