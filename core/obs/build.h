/* Which commit this program was built from. "unknown" where it was not built in a git checkout. Any thread.
 */
#ifndef DTR_OBS_BUILD_H
#define DTR_OBS_BUILD_H

/* The first twelve digits of the commit; texts live as long as the process. */
const char *dtr_build_commit(void);
/* SOURCE_DATE_EPOCH of the build, else the commit's date: "2026-11-27T13:00:00Z". */
const char *dtr_build_time(void);

#endif
