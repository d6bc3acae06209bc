/*
** list.h - doubly linked lists whose links live in the things linked.
**
** A list is a ring with a head that is not a member. A link that is in no
** list points at itself, so removing it twice is harmless.
*/

#ifndef CA_LIST_H
#define CA_LIST_H

#include <stdbool.h>
#include <stddef.h>

typedef struct List {
  struct List *prev;
  struct List *next;
} List;

#ifndef container_of
#define container_of(p, type, member) \
  ((type *)(void *)((char *)(p) - offsetof(type, member)))
#endif


static inline void list_init (List *l) {
  l->prev = l->next = l;
}


static inline bool list_empty (const List *l) {
  return l->next == l;
}


static inline void list_append (List *l, List *link) {
  link->prev = l->prev;
  link->next = l;
  l->prev->next = link;
  l->prev = link;
}


static inline void list_prepend (List *l, List *link) {
  list_append(l->next, link);
}


static inline void list_remove (List *link) {
  link->prev->next = link->next;
  link->next->prev = link->prev;
  list_init(link);
}


/* Take everything out of 'from' and put it at the end of 'to'. */
static inline void list_move (List *to, List *from) {
  if (!list_empty(from)) {
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    list_init(from);
  }
}

#endif
