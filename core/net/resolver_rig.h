/* For tests: a resolver that says nothing about some names, in the place of the C library's getaddrinfo().
 * Names below silent.test are answered, as unknown, when the test says so; all others at once, by the C
 * library. */
#ifndef DTR_NET_RESOLVER_RIG_H
#define DTR_NET_RESOLVER_RIG_H

/* Waits, 30 s at most, until so many threads wait for an answer. */
void resolver_rig_await(unsigned count);
/* Answers all that wait, and those that come later. */
void resolver_rig_speak(void);
/* From here on, as at the start, it is silent. */
void resolver_rig_hush(void);

#endif
