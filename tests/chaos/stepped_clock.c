/* A wall clock that is set while programs run: LD_PRELOAD of a stand's programs (machines.py).
 *
 * CHAOS_CLOCK names a file of eight bytes, nanoseconds to add to the machine's own clock; it is
 * mapped, so a change is seen at once. Clocks that count seconds are left alone, as they are where
 * an administrator or NTP sets the time. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SECOND_NS 1000000000LL

static const volatile long long no_offset;
static const volatile long long *offset_ns = &no_offset;
static int (*own_clock_gettime)(clockid_t, struct timespec *);

__attribute__((constructor)) static void begin(void) {
  own_clock_gettime = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
  const char *path = getenv("CHAOS_CLOCK");
  int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  if (file < 0) return;
  void *mapped = mmap(NULL, sizeof(long long), PROT_READ, MAP_SHARED, file, 0);
  if (mapped != MAP_FAILED) offset_ns = mapped;
  close(file);
}

int clock_gettime(clockid_t id, struct timespec *now) {
  if (!own_clock_gettime) begin(); /* somebody asks before our turn has come */
  int failed = own_clock_gettime(id, now);
  if (failed || (id != CLOCK_REALTIME && id != CLOCK_REALTIME_COARSE)) return failed;
  long long ns = now->tv_sec * SECOND_NS + now->tv_nsec + *offset_ns;
  now->tv_sec = ns / SECOND_NS;
  now->tv_nsec = ns % SECOND_NS;
  return 0;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
  (void)zone;
  struct timespec read;
  if (clock_gettime(CLOCK_REALTIME, &read)) return -1;
  now->tv_sec = read.tv_sec;
  now->tv_usec = read.tv_nsec / 1000;
  return 0;
}

time_t time(time_t *kept) {
  struct timespec read;
  if (clock_gettime(CLOCK_REALTIME, &read)) return (time_t)-1;
  if (kept) *kept = read.tv_sec;
  return read.tv_sec;
}
