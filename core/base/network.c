/* Networks in CIDR form; see network.h. */
#include "core/base/network.h"

#include "core/base/str.h"
#include <arpa/inet.h>
#include <string.h>

#define V4_BITS 96 /* before the four bytes of a v4-mapped address */

static const uint8_t v4_prefix[16] = {[10] = 0xff, [11] = 0xff};

static bool read_ip(const char *ip, size_t length, struct dtr_network *network, bool *ret_v4)
{
    char text[INET6_ADDRSTRLEN];
    if (length >= sizeof(text))
        return false;
    memcpy(text, ip, length);
    text[length] = '\0';
    network->bits = 128;
    memcpy(network->bytes, v4_prefix, sizeof(v4_prefix));
    *ret_v4 = inet_pton(AF_INET, text, network->bytes + V4_BITS / 8) == 1;
    return *ret_v4 || inet_pton(AF_INET6, text, network->bytes) == 1;
}

bool dtr_network_ip(const char *ip, size_t length, struct dtr_network *ret_network)
{
    bool v4;
    return read_ip(ip, length, ret_network, &v4);
}

int dtr_network_parse(const char *cidr, struct dtr_network *ret_network, struct dtr_error *err)
{
    size_t length = strcspn(cidr, "/");
    const char *digits = cidr[length] ? cidr + length + 1 : "";
    uint64_t bits;
    bool v4;
    bool leading_zero = digits[0] == '0' && digits[1];
    if (leading_zero || !dtr_parse_u64(digits, strlen(digits), &bits) ||
        !read_ip(cidr, length, ret_network, &v4) || bits > (v4 ? 128 - V4_BITS : 128))
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER,
                             "'%.64s' is not a network: write ADDRESS/BITS, for example 10.0.0.0/8", cidr);
    ret_network->bits = (unsigned)bits + (v4 ? V4_BITS : 0);
    return DTR_OK;
}

bool dtr_network_is_v4(const struct dtr_network *network)
{
    return network->bits >= V4_BITS && memcmp(network->bytes, v4_prefix, V4_BITS / 8) == 0;
}

bool dtr_network_has(const struct dtr_network *network, const uint8_t bytes[16])
{
    unsigned whole = network->bits / 8, rest = network->bits % 8;
    if (memcmp(bytes, network->bytes, whole) != 0)
        return false;
    return rest == 0 || ((bytes[whole] ^ network->bytes[whole]) >> (8 - rest)) == 0;
}
