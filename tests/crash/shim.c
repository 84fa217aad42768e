/* For LD_PRELOAD: makes the calls fail that the file named by WHERRY_FAIL asks for, as long as it is there.
   Its text: a call, a part of the paths that are meant, and an error number, for instance "fdatasync /log/ 5". */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static int fails(const char* call, int file) {
  const char* trigger = getenv("WHERRY_FAIL");
  FILE* text = trigger != NULL ? fopen(trigger, "re") : NULL;
  if (text == NULL) return 0;
  char wanted[32] = "", part[256] = "", link[64], path[4096] = "";
  int error = 0;
  int words = fscanf(text, "%31s %255s %d", wanted, part, &error);
  fclose(text);
  if (words != 3 || strcmp(call, wanted) != 0) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  if (readlink(link, path, sizeof path - 1) < 0 || strstr(path, part) == NULL) return 0;
  errno = error;
  return 1;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int fdatasync(int file) { return fails("fdatasync", file) ? -1 : REAL(fdatasync)(file); }
int fsync(int file) { return fails("fsync", file) ? -1 : REAL(fsync)(file); }
ssize_t pwrite(int file, const void* bytes, size_t count, off_t at) {
  return fails("pwrite", file) ? -1 : REAL(pwrite)(file, bytes, count, at);
}
ssize_t pwrite64(int file, const void* bytes, size_t count, off64_t at) {
  return fails("pwrite", file) ? -1 : REAL(pwrite64)(file, bytes, count, at);
}
ssize_t pread(int file, void* bytes, size_t count, off_t at) {
  return fails("pread", file) ? -1 : REAL(pread)(file, bytes, count, at);
}
ssize_t pread64(int file, void* bytes, size_t count, off64_t at) {
  return fails("pread", file) ? -1 : REAL(pread64)(file, bytes, count, at);
}
