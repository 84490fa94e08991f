/* Where this program's file lies; see program.h. */
#include "core/base/program.h"

#include <string.h>
#include <unistd.h>

void dtr_program_folder(char folder[DTR_PROGRAM_PATH])
{
    ssize_t length = readlink("/proc/self/exe", folder, DTR_PROGRAM_PATH - 1);
    folder[length > 0 ? length : 0] = 0;
    char *slash = strrchr(folder, '/');
    if (slash)
        *slash = 0;
}
