/* What this host says of itself. */
#include "core/daemon/talk/talk.h"

#include "core/base/clock.h"
#include "core/daemon/managed/clusters.h"
#include "core/obs/build.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

enum { SPEED_OLD_MS = 60000 };
static const uint64_t usual_link = 10000000000; /* bits/s, where no interface tells its speed */

static char *text(const char *constant)
{
    return (char *)(uintptr_t)constant;
}

/* The fastest interface that is up, bits/s. Virtual ones do not know their speed. */
static uint64_t read_link_speed(void)
{
    DIR *folder = opendir("/sys/class/net");
    uint64_t best = 0;
    struct dirent *entry;
    while (folder && (entry = readdir(folder))) {
        char path[320];
        long long mbit = 0;
        (void)snprintf(path, sizeof(path), "/sys/class/net/%.200s/speed", entry->d_name);
        FILE *file = entry->d_name[0] == '.' ? NULL : fopen(path, "re");
        if (!file)
            continue;
        if (fscanf(file, "%lld", &mbit) == 1 && mbit > 0 && (uint64_t)mbit * 1000000 > best)
            best = (uint64_t)mbit * 1000000;
        (void)fclose(file);
    }
    if (folder)
        (void)closedir(folder);
    return best ? best : usual_link;
}

/* Reading it takes the kernel's lock of the network configuration for each interface: that may wait, and is
 * not done for every child's question. */
static uint64_t link_speed(void)
{
    static uint64_t speed, read_ms; /* the control loop's */
    uint64_t now = dtr_now_ms();
    if (!speed || now >= read_ms + SPEED_OLD_MS) {
        speed = read_link_speed();
        read_ms = now;
    }
    return speed;
}

static uint64_t least(uint64_t speed, uint64_t limit_bytes)
{
    return limit_bytes && limit_bytes < speed / 8 ? limit_bytes * 8 : speed;
}

/* Dragonfly's scheduler, when it has Redis, takes no host that does not tell of its CPU. */
static void fill_machine(struct host_facts *facts)
{
    static int cores; /* the control loop's; asking reads a file */
    struct sysinfo info;
    if (!cores)
        cores = get_nprocs();
    common__v2__cpu__init(&facts->cpu);
    common__v2__memory__init(&facts->memory);
    facts->cpu.logical_count = facts->cpu.physical_count = (uint32_t)cores;
    facts->host.cpu = &facts->cpu;
    if (sysinfo(&info) != 0)
        return;
    facts->memory.total = (uint64_t)info.totalram * info.mem_unit;
    facts->memory.free = (uint64_t)info.freeram * info.mem_unit;
    facts->memory.available = facts->memory.free + (uint64_t)info.bufferram * info.mem_unit;
    facts->memory.used = facts->memory.total - facts->memory.available;
    if (info.totalram)
        facts->memory.used_percent = 100.0 * (double)facts->memory.used / (double)facts->memory.total;
    facts->host.memory = &facts->memory;
}

void talk_fill_host(const struct dtr_daemon *daemon, struct host_facts *facts)
{
    const struct dtr_daemon_config *config = daemon->config;
    struct utsname system = {0};
    uint64_t speed = link_speed();
    (void)uname(&system);
    (void)snprintf(facts->kernel, sizeof(facts->kernel), "%.120s", system.release);
    common__v2__host__init(&facts->host);
    fill_machine(facts);
    common__v2__network__init(&facts->network);
    common__v2__build__init(&facts->build);
    facts->build.git_version = text(DTR_VERSION);
    facts->build.has_git_commit_case = COMMON__V2__BUILD__HAS_GIT_COMMIT_GIT_COMMIT;
    facts->build.git_commit = text(dtr_build_commit());
    facts->network.max_rx_bandwidth = least(speed, config->download.bandwidth_limit);
    facts->network.max_tx_bandwidth = least(speed, config->upload.bandwidth_limit);
    if (config->host.idc) {
        facts->network.has_idc_case = COMMON__V2__NETWORK__HAS_IDC_IDC;
        facts->network.idc = text(config->host.idc);
    }
    if (config->host.location) {
        facts->network.has_location_case = COMMON__V2__NETWORK__HAS_LOCATION_LOCATION;
        facts->network.location = text(config->host.location);
    }
    facts->host.id = text(daemon->host_id);
    facts->host.type = config->seed_peer.enable && strcmp(config->seed_peer.type, "normal") != 0;
    facts->host.hostname = text(daemon->hostname);
    facts->host.name = text(daemon->hostname);
    facts->host.ip = text(daemon->ip);
    facts->host.port = facts->host.download_port = daemon->ports.peers;
    facts->host.proxy_port = daemon->ports.proxy;
    facts->host.os = facts->host.platform = text("linux");
    facts->host.platform_family = text("unix");
    facts->host.kernel_version = facts->kernel;
    facts->host.network = &facts->network;
    facts->host.build = &facts->build;
    facts->host.scheduler_cluster_id = clusters_bound(config);
    facts->host.disable_shared = config->upload.disable_shared;
}
