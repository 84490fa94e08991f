/* What the tests of this folder share: an object of one and a half pieces, a store in memory, an origin that
 * follows a script, a transport that gives whole pieces. Origin and transport run on the data thread. */
#ifndef DTR_DAEMON_RIG_H
#define DTR_DAEMON_RIG_H

#include <darter/origin.h>
#include <darter/storage.h>
#include <darter/transport.h>

enum { RIG_PIECE = 4 << 20, RIG_SIZE = RIG_PIECE + RIG_PIECE / 2, RIG_BLOCK = 64 << 10 };

extern uint8_t rig_object[RIG_SIZE];
/* Fills it with bytes that tell their place. */
void rig_fill(void);

/* The one task of the store; zero it between tests. */
struct dtr_stored {
    uint8_t bytes[RIG_SIZE];
    uint32_t marks; /* bit per piece */
    bool damaged;   /* it cannot be opened before it was evicted */
    bool stays_damaged;
};
extern struct dtr_stored rig_disk;
/* Not -1: a file that holds the bytes too, and gives leases; else leases are memory. */
extern int rig_disk_fd;
/* What the store says of itself. */
extern uint64_t rig_disk_size;
extern const struct dtr_storage_ops rig_storage;

/* The origin's instance: how it answers. */
struct rig_script {
    int status;
    bool ignore_range, length_unknown;
    _Atomic uint64_t close_at; /* the first object's end in vain; DTR_LENGTH_UNKNOWN: never */
    _Atomic uint64_t
        silent_at;   /* it sends nothing from here on while this stands; DTR_LENGTH_UNKNOWN: never */
    int renew_after; /* after so many requests it has another object of the same length, rig_renewed(), and it
                        tells entity tags; 0: never */
    bool only_the_tag; /* ... of the same bytes, in truth */
    bool ignore_if_range;
    int block_ms; /* that each block takes */
};
/* The byte of that other object. */
uint8_t rig_renewed(size_t at);
extern const struct dtr_origin_ops rig_origin;
/* What the last request was sent with: its URL, "Name: value\n" lines; its roots' file and text, "" when
 * there are none. */
extern char rig_origin_url[100], rig_origin_headers[200], rig_origin_ca_file[64], rig_origin_roots[2048];
extern bool rig_origin_trusted;
/* Requests for one byte so far, and requests. */
extern _Atomic int rig_length_questions, rig_origin_requests;
extern _Atomic int rig_cut_off; /* answers of the origin that were not taken to their end */

/* The transport's instance is an int. */
enum { RIG_HONEST, RIG_WRONG_CHECKSUMS, RIG_WRONG_BYTES /* of the second piece, with checksums that fit */ };
extern const struct dtr_transport_ops rig_transport;

#endif
