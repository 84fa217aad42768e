/* For LD_PRELOAD: while the file named by WHERRY_FAULT is there, no sync comes back. A disk that does not answer. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

int fdatasync(int file) {
  const char* fault = getenv("WHERRY_FAULT");
  while (fault != NULL && access(fault, F_OK) == 0) usleep(10000);
  return ((__typeof__(&fdatasync))dlsym(RTLD_NEXT, "fdatasync"))(file);
}
