/*
** loop.h - the ready queue, the timers and the turns of libuv.
*/

#ifndef CA_LOOP_H
#define CA_LOOP_H

#include <signal.h>

#include <uv.h>

#include "core.h"

typedef struct Loop Loop;
typedef struct Job Job;
typedef struct Timer Timer;

/*
** Something to do in the next round. 'run' is called by the loop on the
** runner 'L', unprotected: an error it raises ends 'run_forever'.
** A job is in the queue at most once.
*/
struct Job {
  Job *next;
  void (*run) (lua_State *L, Loop *loop, Job *job);
};

/*
** A deadline. 'fire' is called when it has passed; it must not touch Lua:
** it wakes a task or posts a job. 'index' is its place in the heap, counted
** from 1; 0 means that it is not set.
*/
struct Timer {
  void (*fire) (Timer *timer);
  uint32_t index;
};

typedef struct HeapEntry {
  int64_t deadline;             /* nanoseconds on the clock of the loop */
  uint64_t seq;                 /* equal deadlines: first come first */
  Timer *timer;
} HeapEntry;

/* A libuv handle with a body of ours, to be closed with the loop. */
typedef struct Body {
  List link;                    /* in loop->bodies */
  void (*close) (struct Body *body);    /* the loop is closing: uv_close */
} Body;

/*
** Memory that nobody but a queued job needs any more. The job frees it, and
** takes it out of its list; or the loop does when it is closed before. It
** is the first member of what is freed.
*/
typedef struct Orphan {
  List link;
  size_t size;
} Orphan;

struct Loop {
  uv_loop_t uv;
  uv_timer_t alarm;             /* for the earliest deadline */
  uv_async_t wakeup;            /* from signal handlers and other threads */
  Core *core;
  Loop *nextloop;               /* in core->loops */
  lua_State *L;                 /* who runs it, or NULL */
  Job *first, **last;           /* ready queue */
  Job *round, **roundlast;      /* what is left of the round being run */
  HeapEntry *heap;              /* timers; entry 0 is not used */
  uint32_t nheap, heapsize;
  uint64_t nexttimer;           /* seq of the next timer */
  int64_t now;                  /* time of this round */
  int64_t lastpoll;             /* when libuv had its last turn */
  int64_t lastlook;             /* when 'poll' last looked at the clock ... */
  int blind;                    /* ... and how long it need not do so again */
  int64_t sweepat;              /* not before this time */
  int64_t slow;                 /* slow_callback_duration */
  List bodies;                  /* libuv handles that are open */
  List orphans;                 /* memory that goes with a queued job */
  uint32_t nanchors;            /* slots of the table of anchors */
  uint32_t *freeanchors;        /* those that are free; room for all */
  uint32_t nfreeanchors, freesize;
  uint32_t generation;          /* counts the lives of this structure */
  uint32_t nunretrieved;        /* errors nobody has asked for yet */
  uint32_t main;                /* anchor of what run_until_complete awaits */
  uint32_t ntasks;              /* pending tasks */
  volatile sig_atomic_t nsignals;       /* SIGINTs since it was taken over */
  sig_atomic_t seensignals;     /* how many have been acted on */
  void (*signalled) (lua_State *L, struct Loop *l);     /* acts on them */
  bool open;
  bool running;
  bool sweep;                   /* collect when idle: tasks have failed */
  bool stopping;
  bool closing;
  bool debug;
  bool uvopen;                  /* uv, alarm and wakeup are initialised */
};

/* Stack of the runner: every job runs with these in place: the loop, and the
   table of its anchors. */
enum { RUN_LOOP = 1, RUN_ANCHORS = 2, RUN_TOP = 2 };

static inline void ca_loop_post (Loop *l, Job *job) {
  job->next = NULL;
  *l->last = job;
  l->last = &job->next;
}

/* Monotonic time of the loop in nanoseconds, fresh. */
int64_t ca_loop_now (Loop *l);

/* 'delay' seconds from now as a deadline (never early, may be infinite). */
int64_t ca_loop_deadline (Loop *l, lua_Number delay);

/* An absolute 'loop:time()' as a deadline. */
int64_t ca_loop_when (lua_Number when);

/* Set a timer. False: no memory, and nothing has changed. */
bool ca_timer_set (Loop *l, Timer *timer, int64_t deadline);

/* Take a timer out, if it is set. */
void ca_timer_unset (Loop *l, Timer *timer);

/* Fire those that are due. */
void ca_timer_fire (Loop *l);


/*
** Anchors keep Lua values alive while the loop needs them. 'ca_anchor'
** keeps the value on top of the stack (and leaves it there) and gives its
** slot; it may raise. 'ca_anchor_push' pushes it back. 'ca_anchor_drop'
** raises nothing.
*/
uint32_t ca_anchor (lua_State *L, Core *c, Loop *l);
void ca_anchor_push (lua_State *L, Core *c, Loop *l, uint32_t slot);
void ca_anchor_drop (lua_State *L, Core *c, Loop *l, uint32_t slot);

/* The same in two parts, for who needs it twice: the table of anchors,
   pushed; and the drop of a slot of the table at 'table'. */
void ca_anchor_table (lua_State *L, Core *c, Loop *l);

static inline void ca_anchor_dropfrom (lua_State *L, Loop *l, int table,
                                       uint32_t slot) {
  lua_pushboolean(L, 0);
  lua_rawseti(L, table, slot);
  l->freeanchors[l->nfreeanchors++] = slot;
}

/* The loop at 'idx', which must be open. */
Loop *ca_loop_check (lua_State *L, Core *c, int idx);

/* The loop at 'idx', open or not, and which of its lives that is. */
Loop *ca_loop_any (lua_State *L, Core *c, int idx, uint32_t *generation);

/* The running loop; raises "no running event loop". */
Loop *ca_loop_running (lua_State *L, Core *c);

/* The running loop, else the one that is set, else a new one (in Lua). */
Loop *ca_loop_get (lua_State *L, Core *c);

/* Push the userdata of a loop (nil when it is gone). */
void ca_loop_push (lua_State *L, Core *c, Loop *l);

/*
** Report through the exception handler of the loop: a table of context is
** on the top of the stack and is popped. 'l' may be NULL or closed. Never
** raises, except for lack of memory.
*/
void ca_loop_report (lua_State *L, Core *c, Loop *l);

/* A report could not be made; the error that tells why is on top, and is
   popped. */
void ca_loop_unreported (lua_State *L);

/* Call the function and its 'n' arguments on the stack, results dropped.
   An error goes to the exception handler under 'message', with the value
   at 'handle' (0: none) as handle. Only KeyboardInterrupt and the lack of
   memory pass. */
void ca_loop_call (lua_State *L, Loop *l, int n, const char *message,
                   int handle);

/* Link an open libuv handle to the loop, or take it out. */
void ca_body_open (Loop *l, Body *body, void (*close) (Body *));
void ca_body_closed (Body *body);

/* Memory of 'size' bytes is left to the job that is queued for it. */
void ca_loop_orphan (Loop *l, Orphan *o, size_t size);

/* Free the loops of a Lua state that is being closed. */
void ca_loop_freeall (Core *c);

void ca_loop_open (lua_State *L);

#endif
