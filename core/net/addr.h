/* Addresses as text and as sockaddr. Any thread. */
#ifndef DTR_NET_ADDR_H
#define DTR_NET_ADDR_H

#include <darter/error.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

struct dtr_addr {
    socklen_t length;
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_un un;
    };
};

#define DTR_ADDR_TEXT 120

/* `ip` is a literal address, v4 or v6 (brackets allowed); never a name. */
int dtr_addr_ip(const char *ip, uint16_t port, struct dtr_addr *ret_addr, struct dtr_error *err);
/* "10.0.0.1:8002" or "[::1]:8002". */
int dtr_addr_parse(const char *text, struct dtr_addr *ret_addr, struct dtr_error *err);
/* A unix socket's path. */
int dtr_addr_unix(const char *path, struct dtr_addr *ret_addr, struct dtr_error *err);
/* "10.0.0.1:8002", "[::1]:8002" or "unix:/path". */
void dtr_addr_text(const struct dtr_addr *addr, char text[DTR_ADDR_TEXT]);
/* Without the port. */
void dtr_addr_ip_text(const struct dtr_addr *addr, char text[DTR_ADDR_TEXT]);
uint16_t dtr_addr_port(const struct dtr_addr *addr);
bool dtr_addr_equal(const struct dtr_addr *a, const struct dtr_addr *b);
bool dtr_addr_is_loopback(const struct sockaddr *addr);
/* The first address of this machine that others can reach: v4 first, then v6, loopback last. */
int dtr_addr_own(bool prefer_v6, struct dtr_addr *ret_addr, struct dtr_error *err);

#endif
