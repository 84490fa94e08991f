/* dfinit.yaml as a struct. Which keys have an effect, defaults and ranges: init_rows.c. */
#ifndef DTR_CONF_INIT_CONFIG_H
#define DTR_CONF_INIT_CONFIG_H

#include "core/conf/types.h"

struct dtr_conf_containerd_registry {
    const char *host_namespace, *server_addr;
    struct dtr_conf_strings capabilities;
    bool skip_verify;
    struct dtr_conf_strings ca;
};

struct dtr_conf_containerd_registries {
    struct dtr_conf_containerd_registry *items;
    size_t count;
};

/* One [[registry]] of cri-o and podman. */
struct dtr_conf_image_registry {
    const char *prefix, *location;
};

struct dtr_conf_image_registries {
    struct dtr_conf_image_registry *items;
    size_t count;
};

struct dtr_conf_containers {
    bool given; /* the section is there */
    const char *config_path;
    struct dtr_conf_strings unqualified_search_registries;
    struct dtr_conf_image_registries registries;
};

struct dtr_init_config {
    struct {
        const char *addr;
    } proxy;
    struct {
        bool given; /* the section is there */
        const char *config_path;
        bool proxy_all_registries;
        struct dtr_conf_containerd_registries registries;
    } containerd;
    struct {
        bool given; /* the section is there */
        const char *config_path;
    } docker;
    struct dtr_conf_containers crio, podman;
    struct {
        struct dtr_conf_modules options;
    } modules;
    bool verbose;
};

#endif
