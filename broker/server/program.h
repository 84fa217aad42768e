// wherry-broker as a program: a server, signals, the ready line, a clean stop. main.cpp calls only this.
#pragma once

#include "broker/server/options.h"

namespace wherry::broker {

// Runs until SIGTERM or SIGINT; returns the process's exit code: 0 after a clean stop, 1 when it could not start (the
// reason is on standard error) or its disk failed. SIGHUP: reads policies and limits again.
// Ready line, on standard output: "wherry-broker ready amqp=127.0.0.1:5672 data=/var/lib/wherry shards=1 pid=4711".
int run_program(const Options& options);

}  // namespace wherry::broker
