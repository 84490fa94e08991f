/* Intrusive doubly linked list. A node sits in at most one list; an unlinked node points to itself or is
 * zero, so removing it twice is harmless. */
#ifndef DTR_BASE_LIST_H
#define DTR_BASE_LIST_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>

struct dtr_list {
    struct dtr_list *next, *prev;
};

#define dtr_container(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

static inline void dtr_list_init(struct dtr_list *head)
{
    head->next = head->prev = head;
}

static inline bool dtr_list_empty(const struct dtr_list *head)
{
    return head->next == head;
}

static inline bool dtr_list_linked(const struct dtr_list *node)
{
    return node->next && node->next != node;
}

static inline void dtr_list_add_before(struct dtr_list *at, struct dtr_list *node)
{
    assert(!dtr_list_linked(node)); /* two lists would become one, or one endless */
    node->prev = at->prev;
    node->next = at;
    at->prev->next = node;
    at->prev = node;
}

static inline void dtr_list_add_tail(struct dtr_list *head, struct dtr_list *node)
{
    dtr_list_add_before(head, node);
}

static inline void dtr_list_add_head(struct dtr_list *head, struct dtr_list *node)
{
    dtr_list_add_before(head->next, node);
}

static inline void dtr_list_remove(struct dtr_list *node)
{
    if (node->next) {
        node->prev->next = node->next;
        node->next->prev = node->prev;
    }
    dtr_list_init(node);
}

/* The first node taken off the list, or NULL. */
static inline struct dtr_list *dtr_list_pop(struct dtr_list *head)
{
    struct dtr_list *node = head->next;
    if (node == head)
        return NULL;
    dtr_list_remove(node);
    return node;
}

#define dtr_list_each(node, head)                                                                            \
    for (struct dtr_list *node = (head)->next; node != (head); node = node->next)

/* The body may remove `node`, but no other. */
#define dtr_list_each_safe(node, head)                                                                       \
    for (struct dtr_list *node = (head)->next, *node##_next = node->next; node != (head);                    \
         node = node##_next, node##_next = node->next)

#endif
