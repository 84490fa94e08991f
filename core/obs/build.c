/* What the build left in build_info.h; packaging/cmake/BuildInfo.cmake writes that. */
#include "core/obs/build.h"

#include "build_info.h"

const char *dtr_build_commit(void)
{
    return DTR_BUILD_COMMIT;
}

const char *dtr_build_time(void)
{
    return DTR_BUILD_TIME;
}
