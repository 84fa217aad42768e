// This process as the system sees it, under the names that Prometheus' own clients use (process_...).
//
// Threads: any; reads /proc/self.
#pragma once

#include "worker/metrics/exposition.h"

namespace wherry::metrics {

void write_process(Exposition& text);

}  // namespace wherry::metrics
