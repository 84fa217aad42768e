/* For LD_PRELOAD: while the file named by WHERRY_FAULT is there, the main thread never comes back from its wait for events.
   A loop that hangs, as it would in a deadlock or in a call that does not return. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

int epoll_wait(int epoll, struct epoll_event* events, int most, int timeout) {
  const char* file = getenv("WHERRY_FAULT");
  int got = ((__typeof__(&epoll_wait))dlsym(RTLD_NEXT, "epoll_wait"))(epoll, events, most, timeout);
  while (syscall(SYS_gettid) == getpid() && file != NULL && access(file, F_OK) == 0) usleep(10000);
  return got;
}
