/* Every key of dfinit.yaml (features page 3.12); the struct is in init_config.h. */
#include "core/conf/schema.h"

#define ROWS(list)    list, sizeof(list) / sizeof((list)[0])
#define RUNTIME_LATER DTR_LATER("nothing reads it yet: no module for this runtime is shipped")
#define OWN_MODULE    DTR_PARTLY("darter init refuses it without a module for this runtime; none is shipped")
#define SEARCH        .initial = "[registry.fedoraproject.org, registry.access.redhat.com, docker.io]"

#define ROLE_STRUCT struct dtr_conf_containerd_registry
static const struct dtr_conf_row containerd_registry_rows[] = {
    {DTR_STRING("hostNamespace", host_namespace), .required = true,
     .help = "Registry as image names write it, as in docker.io"},
    {DTR_STRING("serverAddr", server_addr), .required = true, .check = dtr_value_check_url,
     .help = "URL of the registry, as in https://index.docker.io"},
    {DTR_STRINGS("capabilities", capabilities), .initial = "[pull, resolve]", .words = "pull|resolve|push",
     .help = "What containerd asks of the proxy"},
    {DTR_BOOL("skipVerify", skip_verify), .initial = "false", .help = "skip_verify of containerd's file"},
    {DTR_STRINGS("ca", ca), DTR_PARTLY("the first file is written"), .help = "ca of containerd's file"},
};
#undef ROLE_STRUCT
static const struct dtr_conf_schema containerd_registry = {ROWS(containerd_registry_rows),
                                                           sizeof(struct dtr_conf_containerd_registry), NULL};

#define ROLE_STRUCT struct dtr_conf_image_registry
static const struct dtr_conf_row image_registry_rows[] = {
    {DTR_STRING("prefix", prefix), .required = true, .help = "Prefix of image names"},
    {DTR_STRING("location", location), .required = true, .help = "Registry that holds them"},
};
#undef ROLE_STRUCT
static const struct dtr_conf_schema image_registry = {ROWS(image_registry_rows),
                                                      sizeof(struct dtr_conf_image_registry), NULL};

#define ROLE_STRUCT struct dtr_init_config
/* cri-o and podman read the same file. */
#define CONTAINERS(name, field)                                                                              \
    {DTR_SECTION("containerRuntime." name, field.given), OWN_MODULE, .help = "Set up " name},                \
        {DTR_STRING("containerRuntime." name ".configPath", field.config_path),                              \
         .initial = "/etc/containers/registries.conf", .check = dtr_value_check_absolute, OWN_MODULE,        \
         .help = "File of " name " to change"},                                                              \
        {DTR_STRINGS("containerRuntime." name ".unqualifiedSearchRegistries",                                \
                     field.unqualified_search_registries),                                                   \
         SEARCH, RUNTIME_LATER, .help = "Registries for image names without one"},                           \
    {                                                                                                        \
        DTR_LIST("containerRuntime." name ".registries", field.registries, &image_registry), RUNTIME_LATER,  \
            .help = "Registries that go through the proxy"                                                   \
    }

static const struct dtr_conf_row rows[] = {
    {DTR_STRING("proxy.addr", proxy.addr), .initial = "http://127.0.0.1:4001", .check = dtr_value_check_url,
     .help = "URL of the daemon's proxy"},
    {DTR_SECTION("containerRuntime.containerd", containerd.given), .help = "Set up containerd"},
    {DTR_STRING("containerRuntime.containerd.configPath", containerd.config_path),
     .initial = "/etc/containerd/config.toml", .check = dtr_value_check_absolute,
     .help = "File of containerd to change"},
    {DTR_BOOL("containerRuntime.containerd.proxyAllRegistries", containerd.proxy_all_registries),
     .initial = "true", .help = "Send every registry through the proxy, not only those listed"},
    {DTR_LIST("containerRuntime.containerd.registries", containerd.registries, &containerd_registry),
     .help = "Registries that go through the proxy, with their real addresses"},
    {DTR_SECTION("containerRuntime.docker", docker.given), OWN_MODULE, .help = "Set up docker"},
    {DTR_STRING("containerRuntime.docker.configPath", docker.config_path),
     .initial = "/etc/docker/daemon.json", .check = dtr_value_check_absolute, OWN_MODULE,
     .help = "File of docker to change"},
    CONTAINERS("crio", crio),
    CONTAINERS("podman", podman),
    {DTR_MODULES("modules.options", modules.options), .ours = true,
     .help = "Options by module; `darter module describe NAME` lists them"},
    {DTR_BOOL("verbose", verbose), .initial = "false", DTR_NEVER("the log level is an option of the command"),
     .help = "Left over from older files"},
};

static void finish(struct dtr_conf *conf, void *config)
{
    const struct dtr_init_config *c = config;
    if (c->containerd.given + c->docker.given + c->crio.given + c->podman.given > 1)
        dtr_conf_complain(conf, "containerRuntime", "names several runtimes; one is allowed");
}

const struct dtr_conf_schema dtr_conf_init_schema = {ROWS(rows), sizeof(struct dtr_init_config), finish};
