/* What the kernel says of its clock, as a test wants it: synchronised while there is a file at SIEGE_SYNCHRONISED.
 *
 * Preloaded in front of the C library; adjtimex(2) only reads here, whatever is asked. */
#include <stdlib.h>
#include <string.h>
#include <sys/timex.h>
#include <unistd.h>

int adjtimex(struct timex *told)
{
    const char *mark = getenv("SIEGE_SYNCHRONISED");
    int right = mark != NULL && access(mark, F_OK) == 0;

    memset(told, 0, sizeof *told);
    told->status = right ? STA_PLL : STA_UNSYNC;
    told->maxerror = right ? 1000 : 16000000;
    return right ? TIME_OK : TIME_ERROR;
}
