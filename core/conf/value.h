/* The forms that scalar values take. Pure functions; false means "not of that form". */
#ifndef DTR_CONF_VALUE_H
#define DTR_CONF_VALUE_H

#include <darter/error.h>
#include <stdbool.h>
#include <stdint.h>

/* true/false, yes/no, on/off in any case. */
bool dtr_value_bool(const char *text, bool *ret_value);
/* Decimal, with sign. */
bool dtr_value_int(const char *text, int64_t *ret_value);
/* Bytes: a number with an optional fraction and an optional unit, in any case: B; K KB M MB G GB T TB P
 * PB are powers of 1000, Ki KiB Mi MiB ... powers of 1024 (as the bytesize crate reads them). */
bool dtr_value_size(const char *text, uint64_t *ret_bytes);
/* Milliseconds: one or more numbers with unit, "1h30m", "500ms", "1.5s": ns us ms s m h d w, and their
 * long names. Without a unit only "0". What is below a millisecond is rounded up. */
bool dtr_value_duration(const char *text, uint64_t *ret_ms);

/* Checks of strings: DTR_OK, or what is wrong in err->text. */
int dtr_value_check_regex(const char *text,
                          struct dtr_error *err);                  /* PCRE2, UTF off, no match limit needed */
int dtr_value_check_ip(const char *text, struct dtr_error *err);   /* v4 or v6 */
int dtr_value_check_cidr(const char *text, struct dtr_error *err); /* address, or address/bits */
int dtr_value_check_url(const char *text, struct dtr_error *err);  /* http[s]://host... */
int dtr_value_check_hostport(const char *text, struct dtr_error *err); /* host:port, [v6]:port, :port */
int dtr_value_check_server(const char *text, struct dtr_error *err);   /* host, host:port, [v6], [v6]:port */
int dtr_value_check_manager(const char *text, struct dtr_error *err);  /* manager_addr.h */
int dtr_value_check_absolute(const char *text, struct dtr_error *err); /* path from the root */
int dtr_value_check_socket(const char *text, struct dtr_error *err);   /* the same, of a unix socket */
int dtr_value_check_script(const char *text, struct dtr_error *err); /* a script's name, or /path/NAME.lua */

#endif
