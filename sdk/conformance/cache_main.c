/* cache_conformance as it is installed: with the test host's own connections. */
#include "cache_conformance.h"

int main(int argc, char **argv)
{
    return cache_conformance(argc, argv);
}
