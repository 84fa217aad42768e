// Ctrl-C and SIGTERM end a run, and what was measured until then is still reported.
//
// After catch_interrupts() the first signal makes interrupted() true and breaks off blocking system calls (EINTR); the
// second one ends the process as it always does. Threads: interrupted() from any.
#pragma once

namespace wherry::perf {

void catch_interrupts();
bool interrupted();

// Until then, or until interrupted.
void sleep_for(double seconds);

}  // namespace wherry::perf
