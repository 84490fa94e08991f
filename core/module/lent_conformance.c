/* The cache conformance program with core's own connections, TLS included, in place of the test host's. */
#include "core/module/host.h"
#include "sdk/conformance/cache_conformance.h"

int main(int argc, char **argv)
{
    dtr_testhost_connect_by(dtr_host_table());
    return cache_conformance(argc, argv);
}
