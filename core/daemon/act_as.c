/* See act_as.h. setfsuid() and setfsgid() are of a thread; glibc's setgroups() is of the process, so the
 * system call is made directly. With an fsuid that is not root's the kernel also takes away root's right to
 * pass over file permissions. */
#include "core/daemon/act_as.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/fsuid.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool is_self(const struct dtr_cred *cred)
{
    return cred->uid == geteuid() && cred->gid == getegid();
}

static int set_groups(const struct dtr_cred *cred)
{
    return syscall(SYS_setgroups, cred->group_count, cred->groups) == 0 ? 0 : -1;
}

static bool set_ids(const struct dtr_cred *cred)
{
    (void)setfsgid(cred->gid);
    (void)setfsuid(cred->uid);
    /* They do not say whether they worked; an impossible id only asks. */
    return (uid_t)setfsuid((uid_t)-1) == cred->uid && (gid_t)setfsgid((gid_t)-1) == cred->gid;
}

static int refuse(const struct dtr_cred *cred, struct dtr_error *err)
{
    return dtr_error_set(
        err, DTR_EDENIED, DTR_RETRY_NEVER,
        "the daemon runs as uid %u and cannot write files as uid %u; take the bytes over the "
        "socket instead (dfget --transfer-from-dfdaemon)",
        (unsigned)geteuid(), (unsigned)cred->uid);
}

int act_as(const struct dtr_cred *cred, struct acting *acting, struct dtr_error *err)
{
    *acting = (struct acting){0};
    if (is_self(cred))
        return DTR_OK;
    int count = getgroups(DTR_CRED_GROUPS, acting->self.groups);
    if (count < 0)
        return refuse(cred, err);
    acting->self.group_count = (size_t)count;
    acting->self.uid = geteuid();
    acting->self.gid = getegid();
    if (set_groups(cred) != 0)
        return refuse(cred, err);
    acting->switched = true;
    if (set_ids(cred))
        return DTR_OK;
    act_as_self(acting);
    return refuse(cred, err);
}

void act_as_self(struct acting *acting)
{
    /* A thread that stayed somebody else would go on to write as them. */
    if (acting->switched && (!set_ids(&acting->self) || set_groups(&acting->self) != 0))
        abort();
    acting->switched = false;
}
