/*
** waitlist.h - the line in which tasks wait for their turn.
**
** One list is under every lock, event, semaphore and queue. It holds parked
** tasks, linked by their own 'node', in order of arrival. A task leaves it in
** one of two ways: it is woken (taken out first, so that the next wake-up
** goes to the next one), or its operation gives up.
**
** Between being woken and running, a task is in no list, and may still be
** cancelled: the kernel then calls 'giveback' of its operation, which has to
** pass on what the wake-up stood for. So every operation on a list is made
** of four short functions: 'start' parks, 'giveup' leaves, 'finish' takes,
** 'giveback' wakes the next.
*/

#ifndef CA_WAITLIST_H
#define CA_WAITLIST_H

#include "awaitable.h"
#include "core.h"
#include "list.h"
#include "task.h"

typedef struct WaitList {
  List tasks;                   /* parked, in order of arrival */
  uint32_t n;                   /* how many */
} WaitList;


static inline void ca_waitlist_init (WaitList *w) {
  list_init(&w->tasks);
  w->n = 0;
}


/* The first in line, or NULL. */
static inline Task *ca_waitlist_first (const WaitList *w) {
  return (w->n == 0) ? NULL : container_of(w->tasks.next, Task, node.link);
}


/* A task that waits in the list goes away. */
static inline void ca_waitlist_leave (WaitList *w, Task *t) {
  list_remove(&t->node.link);
  w->n--;
}


/* Wake the first in line. False when nobody waits. */
static inline bool ca_waitlist_wake (WaitList *w) {
  Task *t = ca_waitlist_first(w);
  if (t == NULL) return false;
  ca_waitlist_leave(w, t);
  ca_task_wake(t);
  return true;
}


static inline void ca_waitlist_wakeall (WaitList *w) {
  while (ca_waitlist_wake(w)) { /* the next */ }
}


/*
** Put the task, whose operation is at index 1, at the end of the line.
** Raises an error that names the operation's owner when tasks of another
** loop wait there. Called by 'start', which then returns CA_WAIT.
*/
void ca_waitlist_park (lua_State *L, WaitList *w, Task *t);

#endif
