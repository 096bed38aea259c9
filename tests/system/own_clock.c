/* A clock of one process's own, as a test wants it; preloaded in front of the C library.
 *
 * OWN_CLOCK: a file of eight octets, by how many seconds the clock is ahead; it may be changed while the process runs.
 * OWN_CLOCK_SYNCHRONISED: the kernel calls the clock right while there is a file of this name (adjtimex(2), which only
 * reads here, whatever is asked). Without it the kernel is asked itself.
 * The monotonic clock, and with it every pause and deadline, is the real one. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

static volatile const int64_t *ahead;

__attribute__((constructor)) static void map(void)
{
    const char *path = getenv("OWN_CLOCK");
    int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    void *found = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *ahead, PROT_READ, MAP_SHARED, fd, 0);

    if (found == MAP_FAILED)
        abort(); /* a test with the real clock would prove nothing */
    close(fd);
    ahead = found;
}

int clock_gettime(clockid_t clock, struct timespec *told)
{
    int done = (int)syscall(SYS_clock_gettime, clock, told);

    if (done == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        told->tv_sec += *ahead;
    return done;
}

int gettimeofday(struct timeval *restrict told, void *restrict zone)
{
    struct timespec now;

    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &now) != 0)
        return -1;
    told->tv_sec = now.tv_sec;
    told->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *told)
{
    struct timespec now = {0};

    clock_gettime(CLOCK_REALTIME, &now);
    if (told != NULL)
        *told = now.tv_sec;
    return now.tv_sec;
}

int adjtimex(struct timex *told)
{
    const char *mark = getenv("OWN_CLOCK_SYNCHRONISED");
    int right;

    if (mark == NULL)
        return (int)syscall(SYS_adjtimex, told);
    right = access(mark, F_OK) == 0;
    memset(told, 0, sizeof *told);
    told->status = right ? STA_PLL : STA_UNSYNC;
    told->maxerror = right ? 1000 : 16000000;
    return right ? TIME_OK : TIME_ERROR;
}
