/* What the files of this folder share. */
#ifndef DTR_SCHEDULER_ROLE_H
#define DTR_SCHEDULER_ROLE_H

#include "core/base/list.h"
#include "core/base/str.h"
#include "core/loop/loop.h"
#include "core/policy/policy.h"
#include "core/scheduler/jobs/preheats.h"
#include "core/scheduler/priority.h"
#include "core/scheduler/scheduler.h"
#include "proto/scheduler.pb-c.h"

/* The script that ranks parents; policy.c. */
struct policy {
    struct dtr_policy_slot slot;
    char *algorithm; /* NULL: none */
    uint64_t look_ms;
    struct dtr_timer *timer;  /* the next look */
    struct policy_load *load; /* a changed script being read, or NULL */
};

struct dtr_scheduler {
    struct dtr_loop *loop;
    struct dtr_swarm *swarm;
    struct dtr_swarm_config limits; /* as given; its policy decides while no script is in charge */
    struct policy policy;
    struct priorities *priorities; /* of applications; NULL: none */
    struct explain *explain;       /* the journal of decisions; NULL: none yet */
    struct dtr_timer *timer;       /* dtr_swarm_wake_ms() */
    uint64_t timer_ms;             /* when it fires; UINT64_MAX: it is off */
    struct dtr_series *waiting, *schedule_ms;
    uint64_t seed_timeout_ms;
    struct dtr_tls *seeds_tls, *peers_tls; /* NULL: plain */
    char seed_said[512];                   /* the last line about a seed that does not serve */
    int64_t wall_offset_ms;                /* wall clock minus the swarm's clock */
    bool draining, count_hosts;
    struct dtr_list seed_calls; /* struct seed_call */
    struct dtr_list works;      /* struct work */
    struct dtr_map lines;       /* struct line: connections of works */
    struct dtr_list images;     /* struct image: manifests that are asked for */
    struct preheats preheats;
    uint32_t asks; /* calls that ask all hosts what they hold, or to delete it */
    struct dtr_scheduler_jobs jobs;
    uint64_t settled_ms;    /* when jobs.settle_ms are over */
    char ip[DTR_ADDR_TEXT]; /* by which daemons are told who asks; "": not known */
    bool closing, gone;
    struct dtr_msg msg; /* the end, once nothing runs */
    void (*closed)(void *context);
    void *closed_context;
};

/* One AnnouncePeer stream; the swarm's `stream`. */
struct announce {
    struct dtr_scheduler *scheduler;
    struct dtr_rpc_call *call;
    char *peer_id; /* of its first message */
    bool over;     /* nothing is told to the swarm any more, */
    bool closed;   /* which has forgotten the stream by itself */
    bool takes_more;
    struct { /* count.c: the last request */
        enum dtr_swarm_message_kind request;
        bool open; /* it may still be refused */
        uint64_t asked_ms;
        uint8_t priority, host_type; /* label values */
    } counts;
};

/* role.c: the swarm's clock, and what follows every event. */
uint64_t role_now_ms(const struct dtr_scheduler *scheduler);
void role_drain(struct dtr_scheduler *scheduler);
/* A call to a seed or a load of a script is over: the last one lets a closing scheduler go. */
void role_let_go(struct dtr_scheduler *scheduler);

/* announce.c */
double duration_ms(const Google__Protobuf__Duration *duration); /* NULL: 0 */
void announce_open(void *service, struct dtr_rpc_call *call);

/* answer.c */
void answer_parents(const struct dtr_scheduler *scheduler, struct announce *announce,
                    const struct dtr_swarm_action *action);
void answer_source(struct announce *announce, const char *description);
void answer_empty(struct announce *announce);
void answer_metadata_only(struct announce *announce);
void answer_nothing(struct dtr_rpc_call *call);
void answer_peer(const struct dtr_scheduler *scheduler, struct dtr_rpc_call *call,
                 const struct dtr_swarm_peer *peer);
/* The announced hosts, all or (`type` not NULL) of one type; an error leaves the call open. */
int answer_hosts(const struct dtr_scheduler *scheduler, struct dtr_rpc_call *call, const uint32_t *type,
                 struct dtr_error *err);
void answer_task(const struct dtr_scheduler *scheduler, struct dtr_rpc_call *call,
                 const struct dtr_swarm_task *task);

/* count.c: what Dragonfly calls a type of host; a seed of an unknown type is "super". */
const char *host_type_text(uint32_t type);
/* The metrics. A message before the swarm hears of it, then that it did; an action before it is
 * done. */
void count_message(struct announce *announce, const struct dtr_swarm_message *event);
void count_taken(struct announce *announce);
void count_action(const struct dtr_swarm_action *action);
/* After every drain. */
void count_waiting(struct dtr_scheduler *scheduler);
/* Once: what runs here. */
void count_begin(struct dtr_scheduler *scheduler);

/* tell.c: the log lines of the same, and of hosts. */
void tell_message(const struct dtr_swarm_message *event);
void tell_action(const struct dtr_swarm_action *action);
void tell_host_came(const struct dtr_swarm_announce *facts);
void tell_host_left(const char *host_id);
void tell_host_gone(const struct dtr_swarm_host *host, uint64_t silent_ms);

/* explain.c: the journal of decisions; `explain_decided` is for dtr_swarm_watch(), with the scheduler. */
void explain_decided(void *scheduler, const struct dtr_swarm_decision *decision);
void explain_ask(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request);
void explain_free(struct explain *explain);

/* The unary calls. hosts.c: */
void hosts_announce(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request);
void hosts_delete(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request);
void hosts_list(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request);
/* tasks.c: */
void tasks_stat(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request);
void tasks_delete(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request);
void peers_stat(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request);
void peers_delete(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request);
/* Whether all are there, which Dragonfly demands too (wire page 2.5); else the call has ended. */
bool ids_given(struct dtr_rpc_call *call, const char *host_id, const char *task_id, const char *peer_id);

/* policy.c */
int policy_start(struct dtr_scheduler *scheduler, const struct dtr_scheduler_options *options,
                 struct dtr_error *err);
/* The limits, with what the script in charge declares. */
struct dtr_swarm_config policy_config(struct dtr_scheduler *scheduler);
/* Nothing is looked at any more; a load that runs still ends by role_let_go(). */
void policy_stop(struct policy *policy);
void policy_free(struct policy *policy);

/* dial.c */
struct dial {
    const char *ip; /* as the host announced it, */
    uint16_t port;
    bool proven; /* from there, */
    bool seed;   /* as a seed */
};
/* A channel to it, once the guard lets the address pass. */
int dial_host(const struct dtr_scheduler *scheduler, const struct dial *to,
              struct dtr_rpc_channel **ret_channel, struct dtr_error *err);

/* lines.c: one connection to each daemon for all jobs together, however many run. */
struct line;
/* Opens it where there is none. It stays until line_give_back(), and may stay for others after it. */
int line_take(struct dtr_scheduler *scheduler, const struct dial *to, struct line **ret_line,
              struct dtr_error *err);
struct dtr_rpc_channel *line_channel(const struct line *line);
void line_give_back(struct dtr_scheduler *scheduler, struct line *line);
/* Closes what nobody uses. */
void lines_close_idle(struct dtr_scheduler *scheduler);

/* The calls of jobs. preheat.c: */
void preheat_image(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request);
void preheat_file(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request);
void preheat_stat(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request);
/* stat.c: */
void stat_image(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request);
void stat_file(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request);
/* find.c: */
void task_find(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request);
void task_drop(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request);
/* work.c, image.c: each ends with its callback, later. */
void works_cancel_all(struct dtr_scheduler *scheduler);
void images_cancel_all(struct dtr_scheduler *scheduler);

/* seeds.c */
void seeds_probe(struct dtr_scheduler *scheduler, const struct dtr_swarm_host *host);
void seeds_trigger(struct dtr_scheduler *scheduler, const struct dtr_swarm_host *host,
                   const struct dtr_swarm_task *task, struct dtr_buf *download);
void seeds_cancel_all(struct dtr_scheduler *scheduler);

/* wire.c: protobuf bytes that are passed on with the fields we do not know. */
/* The last length-delimited field `number` of a message; false when it has none or is malformed. */
bool wire_find(const uint8_t *message, size_t length, uint32_t number, const uint8_t **ret_value,
               size_t *ret_length);
/* A DownloadTaskRequest for a seed: this common.v2.Download with need_back_to_source set and without
 * output_path. NULL: malformed or out of memory. */
struct dtr_buf *wire_seed_request(const uint8_t *download, size_t length);
/* Add a field to a message that is written by hand; proto3 leaves out 0 and "". */
void wire_put_number(struct dtr_str *out, uint32_t number, uint64_t value);
void wire_put_text(struct dtr_str *out, uint32_t number, const char *text);
/* A message in it, an empty one too. */
void wire_put_bytes(struct dtr_str *out, uint32_t number, const char *bytes, size_t length);
/* Adds a packed message. */
void wire_put_message(struct dtr_str *out, const ProtobufCMessage *message);

#endif
