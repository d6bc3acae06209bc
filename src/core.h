/*
** core.h - what all of casync's C files share.
**
** The Core is the state of casync in one Lua state: a userdata that is
** upvalue 1 of every C function of casync (so 'ca_core' costs one load).
** Its user values hold the Lua values that C needs at hand.
**
** Every userdata of casync begins with an Object that holds the address of
** the Core, by which it is known, and its kind. Metatables are not looked at:
** a wrong one set through the debug library gives an error, never a crash.
*/

#ifndef CA_CORE_H
#define CA_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lua.h>
#include <lauxlib.h>

#include "list.h"

typedef enum Kind {
  KIND_NONE,
  KIND_CORO,                    /* a coroutine object */
  KIND_FUTURE,                  /* kinds FUTURE to COMBINE are Futures */
  KIND_TASK,
  KIND_COMBINE,                 /* the future of a gather or a shield */
  KIND_OP,                      /* an operation: see awaitable.h */
  KIND_HANDLE,                  /* a callback: see handle.h */
  KIND_LOOP,
  KIND_SCOPE,                   /* a time-out or a shield */
  KIND_WATCH,                   /* a set of futures, watched */
  KIND_ROSTER,                  /* the unfinished tasks of a group */
  KIND_WAITLIST,
  KIND_LOCK,
  KIND_EVENT,
  KIND_SEMAPHORE,
  KIND_QUEUE,
  KIND_STREAM,
  KIND_SERVER,
  KIND_COUNT
} Kind;

typedef struct Object {
  const void *core;             /* the Core: tells casync's from foreign ones */
  uint8_t kind;
  uint8_t state;                /* its meaning is the kind's */
  uint16_t flags;               /* likewise */
  uint32_t n;                   /* likewise */
} Object;

/* The errors that C raises; the classes come from casync.exceptions. */
typedef enum ErrorClass {
  ERR_CANCELLED,
  ERR_TIMEOUT,
  ERR_INVALIDSTATE,
  ERR_QUEUEEMPTY,
  ERR_QUEUEFULL,
  ERR_QUEUESHUTDOWN,
  ERR_INCOMPLETEREAD,
  ERR_LIMITOVERRUN,
  ERR_OS,
  ERR_DEADLOCK,
  ERR_GENERATOREXIT,
  ERR_KEYBOARDINTERRUPT,
  ERR_COUNT
} ErrorClass;

/* Operations that are used again have fewer user values than this. */
#define CA_SPARES 3

/* User values of the Core. */
enum {
  UV_ANCHORS = 1,               /* anchors of the running loop */
  UV_NEWESTCORO,                /* the youngest coroutine object */
  UV_POOL,                      /* coroutines that are used again */
  UV_TASKMAIN,                  /* the function every task runs */
  UV_LOOPS,                     /* weak: Loop * -> its userdata */
  UV_TRACEBACK,                 /* of the error being handled, or nil */
  UV_REPORT,                    /* Lua: report(loop, context) */
  UV_CONTEXT,                   /* context outside tasks and callbacks */
  UV_ERRORS,                    /* list of the error classes */
  UV_AWAIT,                     /* the function 'await' */
  UV_DEADLOCK,                  /* Lua: deadlock(loop) */
  UV_NAMER,                     /* Lua: namer(function) -> name or nil */
  UV_YIELD,                     /* what sleep(0) gives */
  UV_ERROR,                     /* the error UV_TRACEBACK belongs to */
  UV_HANDLER,                   /* message handler: takes the traceback */
  UV_NAMES,                     /* weak: function -> its name */
  UV_GUARDMETA,                 /* metatable of guards */
  UV_GETLOOP,                   /* Lua: the loop to use when none runs */
  UV_FAILURE,                   /* metatable of Failure objects */
  UV_INTERRUPT,                 /* the task that the first SIGINT cancels */
  UV_PROTECTED,                 /* what 'ca_protect' calls */
  UV_WORDS,                     /* strings that always exist: see core.c */
  UV_SPARES,                    /* operations to be used again, by how many
                                   user values they have */
  UV_TYPES = UV_SPARES + CA_SPARES,     /* metatables, by kind: from
                                           UV_TYPES + 1 on */
  UV_COUNT = UV_TYPES + KIND_COUNT
};

/* How many finished coroutines are kept for new tasks. */
#define CA_POOLSIZE 1000

struct Task;
struct Loop;
struct Handle;

typedef struct Core {
  Object head;
  lua_Alloc alloc;              /* all memory of casync comes from here */
  void *allocud;
  struct Loop *loop;            /* the running loop, or NULL */
  struct Loop *lastloop;        /* the one that ran last; may be closed */
  struct Task *running;         /* the running task, or NULL */
  struct Handle *handle;        /* the running callback, or NULL */
  struct Task *raiser;          /* the task in which UV_ERROR was raised */
  const void *errors[ERR_COUNT];        /* the classes, by address */
  Object *newestcoro;           /* the object in UV_NEWESTCORO ... */
  Object *lastcoro;             /* ... if it has not been run, and ... */
  Object *sparecoro;            /* ... if it can be used again */
  const void *sparefunction;    /* the function that it runs, by address */
  struct Op *spare[CA_SPARES];  /* those in UV_SPARES that can be used ... */
  struct Op *kept[CA_SPARES];   /* ... and all that are there */
  struct Loop *loops;           /* all loops, closed ones to be used again */
  uint32_t ngathers;            /* tells one gather from the next */
  uint64_t ntasks;              /* for names: Task-1, Task-2 ... */
  struct Future **work;         /* futures to be cancelled: see task.c */
  size_t nwork, worksize;
  uint32_t walk;                /* which cancellation they are from */
  uint32_t search;              /* the last search for a ring of awaits */
  lua_State *idle[CA_POOLSIZE]; /* coroutines for new tasks, and ... */
  uint16_t idleslot[CA_POOLSIZE];       /* ... where UV_POOL anchors them */
  uint16_t freeslot[CA_POOLSIZE];       /* slots of UV_POOL without one */
  int nidle, nfreeslots;
  List warm;                    /* buffers with large blocks, in the order
                                   in which they were emptied, and ... */
  size_t warmbytes;             /* ... the sum of these: see buffer.c */
  int depth;                    /* awaits nested on the C stack */
  int ndeep;                    /* eager tasks being started, nested */
  void (*abandon) (lua_State *L, Object *o);    /* an anchored object whose
                                   loop closes; on top of the stack */
  bool debug;                   /* debug mode of the running loop */
  bool factories;               /* some loop has a task factory */
  bool contexts;                /* some context variable has been set */
  bool dying;                   /* the Lua state is being closed */
} Core;

#define ca_core(L) ((Core *)lua_touserdata((L), lua_upvalueindex(1)))

/* Index of the Core in any function of casync. */
#define CORE lua_upvalueindex(1)

/* Raise an error about misuse, with position, as asyncio's RuntimeError. */
#define ca_misuse luaL_error

/*
** Memory. 'ca_malloc' and 'ca_realloc' return NULL when there is none;
** 'ca_free' takes the size. They never touch Lua and can be called from
** libuv's callbacks.
*/
void *ca_malloc (Core *c, size_t size);
void *ca_realloc (Core *c, void *p, size_t old, size_t size);
void ca_free (Core *c, void *p, size_t size);

/* Raise "not enough memory". */
int ca_nomem (lua_State *L);

/*
** Call 'f' in protected mode, on an empty stack but for the 'n' values on
** top, which are popped. For jobs: what they do there may lack memory, and
** what they have to do is done all the same. False: it raised an error,
** which is on top of the stack. Itself this raises nothing.
*/
bool ca_protect (lua_State *L, Core *c,
                 void (*f) (lua_State *L, Core *c, void *arg), void *arg,
                 int n);

/*
** Make the metatable of a kind. 'methods' become its __index; 'meta' (may
** be NULL) go into the metatable itself. '__name' and '__metatable' are
** set. Leaves the metatable on the stack.
*/
void ca_type_new (lua_State *L, Kind kind, const char *name,
                  const luaL_Reg *methods, const luaL_Reg *meta);

/* Push a copy of the metatable on top, for a variant of the kind. */
void ca_type_copy (lua_State *L);

/* Create a zeroed userdata of a kind with 'nuv' user values, and push it. */
void *ca_object_new (lua_State *L, Core *c, Kind kind, size_t size, int nuv);

/* The object at 'idx' if it is of casync, else NULL. */
static inline Object *ca_object (lua_State *L, const Core *c, int idx) {
  Object *o = (Object *)lua_touserdata(L, idx);
  if (o == NULL || lua_rawlen(L, idx) < sizeof(Object)) return NULL;
  return (o->core == c && o->kind != KIND_NONE) ? o : NULL;
}

/* The object at 'idx' if it is of that kind, else NULL. */
static inline void *ca_test (lua_State *L, const Core *c, int idx,
                             Kind kind) {
  Object *o = ca_object(L, c, idx);
  return (o != NULL && o->kind == kind) ? o : NULL;
}

/* Likewise; raises an error that names what was expected. */
void *ca_check (lua_State *L, Core *c, int idx, Kind kind);

/*
** Options tables: 'ca_options' checks that 'idx' is nil, none or a table
** that has no other keys than those listed (NULL ends the list).
*/
void ca_options (lua_State *L, int idx, const char *const *names);

/* A number of seconds at 'idx' that is not NaN. */
lua_Number ca_seconds (lua_State *L, int idx);

/* Give the functions of 'l' to the table on top (the core module). */
void ca_setfuncs (lua_State *L, const luaL_Reg *l);

/* A short name for the function at 'idx' and where it is defined:
   pushes "name" (or "?"), gives the place in 'place'. */
void ca_function_place (lua_State *L, int idx, char *place, size_t size);

#endif
