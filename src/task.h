/*
** task.h - tasks: see task.c for their life.
*/

#ifndef CA_TASK_H
#define CA_TASK_H

#include "core.h"
#include "future.h"
#include "loop.h"

struct Op;
struct Scope;

/* Where a pending task is. */
typedef enum Place { READY, RUNNING, PARKED, ENDED } Place;

/* What a parked task waits for. */
enum { WAITS_NONE, WAITS_OP, WAITS_FUTURE };

typedef struct Task {
  Future future;
  lua_State *co;        /* its coroutine; NULL before its first step */
  lua_State *active;    /* the innermost coroutine: 'co' or one inside it */
  union {               /* parked: what it waits for, as 'waits' says */
    struct Op *op;
    Future *awaited;
  };
  struct Scope *scopes; /* the innermost open scope */
  Node node;            /* its link to where it waits */
  Job job;
  union {
    Timer timer;        /* for operations that wait for a time */
    Job alarm;          /* 'firing': that the timer has fired */
  };
  uint32_t id;          /* Task-id */
  uint16_t poolslot;    /* where the pool anchors its coroutine, or 0 */
  uint32_t ncancel;     /* cancel requests not taken back: 'cancelling' */
  uint8_t place;
  uint8_t outcome;      /* State to settle with, when 'taskmain' is over */
  uint8_t waits;        /* WAITS_x */
  bool inawait;         /* 'active' is suspended in its await */
  bool mustcancel;      /* a cancellation is to be delivered */
  bool interrupted;     /* its wait was given up: raise instead of finish */
  bool throwing;        /* raise the error in extra.throw, not CancelledError */
  bool deferred;        /* a cancellation waits for the end of a shield */
  bool bounce;          /* yielded only to unwind the C stack */
  bool started;
  bool firing;          /* its timer has fired: 'alarm' is in the queue */
  bool exposed;         /* Lua has seen its coroutine: never use it again */
} Task;

/* Wake a parked task: it will be run in the next round. */
void ca_task_wake (Task *t);

/* The running task gives up its turn: it is ready again. */
void ca_task_again (Task *t);

/* Set the task's own timer, which wakes it; false: no memory. Unset it. */
bool ca_task_settimer (Task *t, int64_t deadline);
void ca_task_unsettimer (Task *t);

/* The loop is being closed: take the task out of wherever it waits. */
void ca_task_abandon (lua_State *L, Core *c, Task *t);

/* Room on the stack for a cancellation, which must not fail half-way. A C
   function that is called from Lua has it without asking for memory. */
#define CANCELSTACK 14

/*
** Ask a task to be cancelled: to be raised as CancelledError where it
** waits, or where the task it waits for waits. The task need not be on the
** stack. 'msg' is an index or 0. 'scope' is the scope that asks, NULL for
** Task:cancel. False when it has ended.
*/
bool ca_task_cancel (lua_State *L, Core *c, Task *t, int msg,
                     struct Scope *scope);

/* Push a pending task. */
void ca_task_push (lua_State *L, Core *c, Task *t);

/*
** The running task has linked itself somewhere: it is parked, and a
** cancellation that was due before is delivered at once.
*/
void ca_task_park (lua_State *L, Core *c, Task *t);

/* Give up what the parked task waits for, unlinking it. */
void ca_task_unlink (Task *t);

/*
** A new task, pushed. The caller puts the function into FUV_EXTRA and, as
** head.n tells, an argument into FUV_VALUE or the object with all of them;
** then 'ca_task_admit' makes it a task of its loop. 'context' is the index of
** a context or 0 to inherit, 'name' that of its name or 0; the task is on
** top. The caller makes it ready, or runs it: nothing that may raise can come
** in between.
*/
Task *ca_task_new (lua_State *L, Core *c, Loop *l);
void ca_task_admit (lua_State *L, Core *c, Task *t, int context, int name);

/* Run the first step of a new task (on top) now, inside the running one. */
void ca_task_runeagerly (lua_State *L, Core *c, Task *t);

/* The coroutine of the task is not used again: the pool lets go of it. */
void ca_task_unpool (lua_State *L, Core *c, Task *t);

/* Push the coroutine of the pending task at 'idx': Lua will have it. */
void ca_task_expose (lua_State *L, Core *c, Task *t, int idx);

/* Push what the await is about in which the task is suspended, or nil. */
void ca_task_pushobject (lua_State *L, Task *t);

/* Push its name. */
void ca_task_pushname (lua_State *L, Task *t, int idx);

/* Raise the CancelledError that is due. */
int ca_task_raisecancelled (lua_State *L, Core *c, Task *t);

/* Throw the error on top of the stack (popped) into a parked task, where
   it waits. */
void ca_task_throw (lua_State *L, Core *c, Task *t);

/* Take back one request to cancel; how many are left. */
uint32_t ca_task_uncancel (Task *t);

/*
** Cancel everything on the list of work from 'base' on (see task.c): what
** cancels many futures adds them with 'ca_task_addwork' instead of
** recursing, because chains of futures are as deep as people make them.
*/
size_t ca_task_beginwork (Core *c);
void ca_task_addwork (lua_State *L, Core *c, Future *f, int msg);
void ca_task_dowork (lua_State *L, Core *c, size_t base, int msg);

/* Push what a parked task waits for, or nil. */
void ca_task_pushawaited (lua_State *L, Task *t);

/* Is 'co' (suspended) the coroutine of a task? */
bool ca_task_owns (lua_State *L, lua_State *co);

void ca_task_open (lua_State *L);

#endif
