/* See spread.h. A piece that a child wants, that is here and that it was not told of is "held" from it. */
#include "core/brain/spread.h"

#include "core/base/list.h"
#include <stdlib.h>
#include <string.h>

enum {
    TICK_MS = 100,      /* while something is held */
    ASK_MS = 20,        /* so long may a child take to ask for what it was told of */
    HOLD_MIN_MS = 1000, /* at least so long is a piece held, and */
    HOLD_MAX_MS = 30000,
    HOLD_PIECES = 16, /* as long as it takes to bring so many pieces to somebody */
};

struct piece {
    uint64_t at_ms;
    uint32_t told; /* to so many children */
    bool here;
};

struct dtr_spread_child {
    struct dtr_list link;
    void *who;
    uint64_t *wanted; /* bit per number that it was not told of */
    size_t words, missing, held;
    uint64_t joined_ms;
    uint32_t told;
};

struct dtr_spread {
    struct dtr_list children;
    size_t child_count;
    struct piece *pieces;
    uint32_t piece_count;
    struct {
        struct dtr_spread_child *child;
        uint32_t number;
    } * queue;
    size_t queue_head, queue_count, queue_capacity;
    uint64_t now_ms, looked_ms, hold_ms;
    uint32_t sending;
    uint32_t asked_for;    /* pieces told of lately, which will be on their way out soon */
    uint64_t asked_for_ms; /* since when they are counted */
    uint32_t patience;     /* how many more are told at the next look at an idle uplink */
};

struct dtr_spread *dtr_spread_new(void)
{
    struct dtr_spread *spread = calloc(1, sizeof(*spread));
    if (!spread)
        return NULL;
    dtr_list_init(&spread->children);
    spread->hold_ms = HOLD_MAX_MS;
    spread->patience = 1;
    return spread;
}

static void child_free(struct dtr_spread_child *child)
{
    dtr_list_remove(&child->link);
    free(child->wanted);
    free(child);
}

void dtr_spread_free(struct dtr_spread *spread)
{
    if (!spread)
        return;
    dtr_list_each_safe (node, &spread->children)
        child_free(dtr_container(node, struct dtr_spread_child, link));
    free(spread->pieces);
    free(spread->queue);
    free(spread);
}

static bool wants(const struct dtr_spread_child *child, uint32_t number)
{
    return number / 64 < child->words && child->wanted[number / 64] >> number % 64 & 1;
}

/* The queue has room for every held piece of every child: a tell cannot fail. */
static bool reserve(struct dtr_spread *spread, size_t more)
{
    size_t need = spread->queue_count + more;
    dtr_list_each (node, &spread->children)
        need += dtr_container(node, struct dtr_spread_child, link)->held;
    if (need <= spread->queue_capacity)
        return true;
    size_t capacity = need * 2;
    void *queue = realloc(spread->queue, capacity * sizeof(*spread->queue));
    if (!queue)
        return false;
    spread->queue = queue;
    spread->queue_capacity = capacity;
    return true;
}

static void tell(struct dtr_spread *spread, struct dtr_spread_child *child, uint32_t number)
{
    child->wanted[number / 64] &= ~(1ull << number % 64);
    child->missing--;
    child->held--;
    child->told++;
    spread->pieces[number].told++;
    spread->queue[spread->queue_count].child = child;
    spread->queue[spread->queue_count++].number = number;
}

/* Tells all that is held from a child since `before_ms` or longer. */
static void tell_all(struct dtr_spread *spread, struct dtr_spread_child *child, uint64_t before_ms)
{
    for (uint32_t n = 0; child->held && n < spread->piece_count && n < child->words * 64; n++) {
        if (!child->wanted[n / 64])
            n |= 63;
        else if (wants(child, n) && spread->pieces[n].here && spread->pieces[n].at_ms <= before_ms)
            tell(spread, child, n);
    }
}

/* The held piece that the fewest were told of. */
static uint32_t rarest(const struct dtr_spread *spread, const struct dtr_spread_child *child)
{
    uint32_t best = UINT32_MAX, best_told = UINT32_MAX;
    for (uint32_t n = 0; best_told && n < spread->piece_count && n < child->words * 64; n++) {
        if (!child->wanted[n / 64])
            n |= 63;
        else if (wants(child, n) && spread->pieces[n].here && spread->pieces[n].told < best_told) {
            best = n;
            best_told = spread->pieces[n].told;
        }
    }
    return best;
}

/* Those told least come first, and each goes to the end of the list in its turn. */
static struct dtr_spread_child *next_child(struct dtr_spread *spread, uint32_t number)
{
    struct dtr_spread_child *best = NULL;
    dtr_list_each (node, &spread->children) {
        struct dtr_spread_child *child = dtr_container(node, struct dtr_spread_child, link);
        bool suits = number == UINT32_MAX ? child->held > 0 : wants(child, number);
        if (suits && (!best || child->told < best->told))
            best = child;
    }
    if (best) {
        dtr_list_remove(&best->link);
        dtr_list_add_tail(&spread->children, &best->link);
    }
    return best;
}

/* The uplink has room: as many are told as it can take; all, when there is one child. A child that was told
 * of everything is not here any more, but still takes pieces: a busy uplink means that nobody is alone. */
static void use_room(struct dtr_spread *spread)
{
    spread->looked_ms = spread->now_ms;
    if (spread->sending + spread->asked_for >= DTR_SPREAD_BUSY)
        return;
    if (spread->child_count == 1) {
        tell_all(spread, dtr_container(spread->children.next, struct dtr_spread_child, link), spread->now_ms);
        return;
    }
    uint32_t left = (DTR_SPREAD_BUSY - spread->sending - spread->asked_for) * spread->patience;
    for (; left; left--) {
        struct dtr_spread_child *child = next_child(spread, UINT32_MAX);
        if (!child)
            return;
        tell(spread, child, rarest(spread, child));
        spread->asked_for++;
    }
}

static bool take_wanted(struct dtr_spread_child *child, const uint32_t *wanted, size_t count)
{
    uint32_t most = 0;
    for (size_t i = 0; i < count; i++)
        most = wanted[i] > most ? wanted[i] : most;
    child->words = (size_t)most / 64 + 1;
    child->wanted = calloc(child->words, sizeof(*child->wanted));
    for (size_t i = 0; child->wanted && i < count; i++) {
        child->missing += !wants(child, wanted[i]);
        child->wanted[wanted[i] / 64] |= 1ull << wanted[i] % 64;
    }
    return child->wanted;
}

struct dtr_spread_child *dtr_spread_join(struct dtr_spread *spread, uint64_t now_ms, void *who,
                                         const uint32_t *wanted, size_t count)
{
    struct dtr_spread_child *child = calloc(1, sizeof(*child));
    spread->now_ms = now_ms;
    if (!child || !take_wanted(child, wanted, count))
        goto out;
    for (uint32_t n = 0; n < spread->piece_count; n++)
        child->held += spread->pieces[n].here && wants(child, n);
    if (!reserve(spread, child->held))
        goto out;
    child->who = who;
    child->joined_ms = now_ms;
    dtr_list_add_tail(&spread->children, &child->link);
    spread->child_count++;
    use_room(spread);
    return child;
out:
    if (child)
        free(child->wanted);
    free(child);
    return NULL;
}

void dtr_spread_leave(struct dtr_spread *spread, uint64_t now_ms, struct dtr_spread_child *child)
{
    spread->now_ms = now_ms;
    for (size_t i = spread->queue_head; i < spread->queue_count; i++) {
        if (spread->queue[i].child == child)
            spread->queue[i].child = NULL;
    }
    child_free(child);
    spread->child_count--;
    use_room(spread);
}

size_t dtr_spread_missing(const struct dtr_spread_child *child)
{
    return child->missing;
}

size_t dtr_spread_held(const struct dtr_spread_child *child)
{
    return child->held;
}

static bool grow(struct dtr_spread *spread, uint32_t number)
{
    if (number < spread->piece_count)
        return true;
    size_t count = (size_t)number + number / 2 + 64;
    struct piece *pieces = count < UINT32_MAX ? realloc(spread->pieces, count * sizeof(*pieces)) : NULL;
    if (!pieces)
        return false;
    memset(pieces + spread->piece_count, 0, (count - spread->piece_count) * sizeof(*pieces));
    spread->pieces = pieces;
    spread->piece_count = (uint32_t)count;
    return true;
}

bool dtr_spread_piece(struct dtr_spread *spread, uint64_t now_ms, uint32_t number)
{
    spread->now_ms = now_ms;
    if (!grow(spread, number) || !reserve(spread, spread->child_count))
        return false;
    struct piece *piece = &spread->pieces[number];
    if (piece->here)
        return true;
    piece->here = true;
    piece->at_ms = now_ms;
    dtr_list_each (node, &spread->children) {
        struct dtr_spread_child *child = dtr_container(node, struct dtr_spread_child, link);
        child->held += wants(child, number);
    }
    struct dtr_spread_child *child = next_child(spread, number);
    if (child) {
        tell(spread, child, number);
        spread->asked_for++;
    }
    return true;
}

void dtr_spread_sending(struct dtr_spread *spread, uint64_t now_ms, uint32_t count, uint64_t piece_ms)
{
    uint64_t hold = piece_ms ? piece_ms * HOLD_PIECES : HOLD_MAX_MS;
    spread->now_ms = now_ms;
    spread->hold_ms = hold < HOLD_MIN_MS ? HOLD_MIN_MS : hold > HOLD_MAX_MS ? HOLD_MAX_MS : hold;
    spread->sending = count;
    if (now_ms >= spread->asked_for_ms + ASK_MS) {
        spread->asked_for = 0;
        spread->asked_for_ms = now_ms;
    }
    if (count)
        spread->patience = 1;
    use_room(spread);
}

void dtr_spread_tick(struct dtr_spread *spread, uint64_t now_ms)
{
    spread->now_ms = now_ms;
    dtr_list_each (node, &spread->children) {
        struct dtr_spread_child *child = dtr_container(node, struct dtr_spread_child, link);
        if (child->held && now_ms >= child->joined_ms + spread->hold_ms)
            tell_all(spread, child, now_ms - spread->hold_ms);
    }
    if (now_ms < spread->looked_ms + TICK_MS)
        return;
    spread->asked_for = 0;
    use_room(spread);
    if (spread->patience < 1u << 16)
        spread->patience *= 2; /* what they were told of does not interest them */
}

bool dtr_spread_next(struct dtr_spread *spread, struct dtr_spread_tell *ret_tell)
{
    while (spread->queue_head < spread->queue_count) {
        size_t i = spread->queue_head++;
        if (!spread->queue[i].child)
            continue;
        *ret_tell = (struct dtr_spread_tell){spread->queue[i].child->who, spread->queue[i].number};
        return true;
    }
    spread->queue_head = spread->queue_count = 0;
    return false;
}

uint64_t dtr_spread_wake_ms(const struct dtr_spread *spread)
{
    dtr_list_each (node, &spread->children) {
        if (dtr_container(node, struct dtr_spread_child, link)->held)
            return spread->now_ms + TICK_MS;
    }
    return UINT64_MAX;
}
