/*
** queue.c - Queue, PriorityQueue and LifoQueue.
**
** A queue has two sides where tasks wait: getters for items, putters for
** free slots. Both follow one rule: who is woken is handed a turn, not an
** item or a slot. The item stays in the queue (and a smaller one may come
** before it) until the woken task runs and takes what is then there.
**
** 'turns' of a side counts the tasks that have been woken and have not run
** yet, and there are never more of them than items (slots), except when some
** have been robbed. Hence:
**
**   who comes when all items are promised waits in line, though the queue
**   is not empty;
**   'get_nowait' and 'put_nowait' take what is there, promised or not;
**   a woken task that finds nothing left was robbed, and waits again at the
**   head of the line, in the order in which the robbed had come first (each
**   has a ticket from its first day in line);
**   a woken task that is cancelled gives its turn back.
**
** After each change 'balance' hands out the turns that are due.
**
** Items are kept in a table (user value QUV_BUFFER) that is made with 'cap'
** slots and never grows by itself, so that writing into it cannot fail: a
** ring for Queue, a stack for LifoQueue, for PriorityQueue a binary heap of
** pairs, item and serial number. A comparison may run Lua code and raise;
** so the heap first finds the way of an item by comparing, and then moves
** it without any.
*/

#include <limits.h>

#include <lua.h>
#include <lauxlib.h>

#include "error.h"
#include "operations.h"
#include "waitlist.h"

/* Registry key of the metatables. */
static const char metaskey = 0;

enum { QUV_BUFFER = 1, QUV_LESS, QUV_MAXSIZE, QUV_COUNT = QUV_MAXSIZE };

/* Second user value of a put. */
enum { OPUV_ITEM = 2 };

/* Capacity of the first buffer; larger ones are let go when empty. */
enum { MINCAP = 8, KEEPCAP = 1024 };

/* Levels of a heap. */
enum { MAXDEPTH = 64 };

typedef enum Order { FIFO, LIFO, HEAP } Order;

static const char *const names[] = {"Queue", "LifoQueue", "PriorityQueue"};

typedef struct Side {
  WaitList waiting;
  List *robbed;                 /* the last of those who wait again, or NULL;
                                   they stand at the head of the line */
  size_t turns;                 /* woken, have not run yet */
  uint64_t tickets;             /* given out so far */
} Side;

typedef struct Queue {
  Object head;
  Order order;
  bool shutdown;
  bool natural;                 /* compares by '<': there is no QUV_LESS */
  size_t n;                     /* items */
  size_t cap;                   /* slots of the buffer, a power of 2, or 0 */
  size_t first;                 /* FIFO: slot of the first item, from 0 */
  size_t max;                   /* full with so many; SIZE_MAX: never */
  uint64_t serial;              /* of the next item in a heap */
  uint64_t changes;             /* counts them, to see one while comparing */
  size_t unfinished;            /* items put and not reported by task_done */
  Side getters;
  Side putters;
  WaitList joiners;
} Queue;

typedef struct QueueOp {
  Op op;
  Queue *queue;
  uint64_t ticket;              /* place in line; 0: has not waited */
  bool turn;                    /* woken: it has a turn */
} QueueOp;


/*
** Turns
*/

static Side *sideof (const QueueOp *op);


/* The operation of a task that waits on a side. */
static QueueOp *opof (const List *link) {
  return (QueueOp *)container_of(link, Task, node.link)->op;
}


static void leave (Side *s, Task *t) {
  List *link = &t->node.link;
  if (s->robbed == link)
    s->robbed = (link->prev == &s->waiting.tasks) ? NULL : link->prev;
  ca_waitlist_leave(&s->waiting, t);
}


/* Hand a turn to the first in line, if there is one. */
static bool hand (Side *s) {
  Task *t = ca_waitlist_first(&s->waiting);
  if (t == NULL) return false;
  leave(s, t);
  ((QueueOp *)t->op)->turn = true;
  s->turns++;
  ca_task_wake(t);
  return true;
}


static size_t freeslots (const Queue *q) {
  return (q->n < q->max) ? q->max - q->n : 0;
}


static void balance (Queue *q) {
  while (q->n > q->getters.turns && hand(&q->getters)) { /* next */ }
  while (freeslots(q) > q->putters.turns && hand(&q->putters)) { /* next */ }
  if (q->shutdown) {            /* let them see that it is over */
    if (q->n == 0) while (hand(&q->getters)) { /* next */ }
    while (hand(&q->putters)) { /* next */ }
  }
}


/* Wait in line for the first time. */
static int queueup (lua_State *L, QueueOp *op, Task *t) {
  Side *s = sideof(op);
  ca_waitlist_park(L, &s->waiting, t);
  op->ticket = ++s->tickets;
  return CA_WAIT;
}


/* Was the running task, which had a turn, robbed of it? 'there' says how
   much there is on its side. One who was robbed before goes first. */
static bool robbed (const QueueOp *op, size_t there) {
  const Side *s = sideof(op);
  if (op->ticket == 0) return false;    /* it has never waited */
  if (there == 0) return true;
  return s->waiting.n > 0 && opof(s->waiting.tasks.next)->ticket < op->ticket;
}


/* Wait again, before all who came later. */
static int queueagain (QueueOp *op, Task *t) {
  Side *s = sideof(op);
  List *last = (s->robbed != NULL) ? s->robbed : &s->waiting.tasks;
  List *pos = last;
  while (pos != &s->waiting.tasks && opof(pos)->ticket > op->ticket)
    pos = pos->prev;
  list_prepend(pos, &t->node.link);     /* right after 'pos' */
  s->waiting.n++;
  if (pos == last) s->robbed = &t->node.link;
  balance(op->queue);           /* our turn goes to one before us, if any */
  return CA_AGAIN;
}


/*
** Items. 'qi' is the absolute index of the queue.
*/

/* Make room for one more. Raises before anything has changed. */
static void reserve (lua_State *L, Queue *q, int qi) {
  bool wasteful = q->n == 0 && q->cap > KEEPCAP && q->max == SIZE_MAX;
  if (q->n < q->cap && !wasteful) return;
  size_t cap = (q->n == 0) ? MINCAP : q->cap * 2;
  size_t width = (q->order == HEAP) ? 2 : 1;
  if (cap > INT_MAX / 4) luaL_error(L, "too many items in the queue");
  lua_createtable(L, (int)(cap * width), 0);
  if (q->n > 0) {
    lua_getiuservalue(L, qi, QUV_BUFFER);
    for (size_t i = 0; i < q->n * width; i++) {
      size_t from = (q->order == HEAP) ? i : (q->first + i) & (q->cap - 1);
      lua_rawgeti(L, -1, (lua_Integer)from + 1);
      lua_rawseti(L, -3, (lua_Integer)i + 1);
    }
    lua_pop(L, 1);
  }
  lua_setiuservalue(L, qi, QUV_BUFFER);
  q->cap = cap;
  q->first = 0;
}


static bool hasless (lua_State *L, int idx) {
  if (luaL_getmetafield(L, idx, "__lt") == LUA_TNIL) return false;
  lua_pop(L, 1);
  return true;
}


/* Is the first of the two items on top, which are popped, less than the
   second? Tables that cannot tell are compared by their first elements. */
static bool less (lua_State *L, Queue *q, int qi) {
  uint64_t changes = q->changes;
  bool result;
  if (!q->natural) {
    lua_getiuservalue(L, qi, QUV_LESS);
    lua_insert(L, -3);
    lua_call(L, 2, 1);
    result = lua_toboolean(L, -1);
    lua_pop(L, 1);
  }
  else {
    if (lua_istable(L, -2) && lua_istable(L, -1) && !hasless(L, -2) &&
        !hasless(L, -1)) {
      lua_geti(L, -2, 1);
      lua_replace(L, -3);
      lua_geti(L, -1, 1);
      lua_replace(L, -2);
    }
    result = lua_compare(L, -2, -1, LUA_OPLT);
    lua_pop(L, 2);
  }
  if (q->changes != changes)
    luaL_error(L, "the queue was changed while it compared two items:"
                  " a comparison must not use its queue");
  return result;
}


/* Heap: slot 'i' (from 0) holds the item at 2i+1 and its number at 2i+2. */

static void getitem (lua_State *L, int buf, size_t i) {
  lua_rawgeti(L, buf, (lua_Integer)(2 * i + 1));
}


static uint64_t getserial (lua_State *L, int buf, size_t i) {
  lua_rawgeti(L, buf, (lua_Integer)(2 * i + 2));
  uint64_t serial = (uint64_t)lua_tointeger(L, -1);
  lua_pop(L, 1);
  return serial;
}


static void move (lua_State *L, int buf, size_t from, size_t to) {
  for (int k = 1; k <= 2; k++) {
    lua_rawgeti(L, buf, (lua_Integer)(2 * from) + k);
    lua_rawseti(L, buf, (lua_Integer)(2 * to) + k);
  }
}


/* Does slot i go before slot j? Equal ones go in order of arrival, so one
   comparison is enough, whichever is the older. */
static bool before (lua_State *L, Queue *q, int qi, int buf, size_t i,
                    size_t j) {
  bool older = getserial(L, buf, i) < getserial(L, buf, j);
  getitem(L, buf, older ? j : i);
  getitem(L, buf, older ? i : j);
  return less(L, q, qi) != older;
}


/* Put the item at 'item' into a heap that has room for it. */
static void heappush (lua_State *L, Queue *q, int qi, int item) {
  lua_getiuservalue(L, qi, QUV_BUFFER);
  int buf = lua_gettop(L);
  size_t to = q->n;
  while (to > 0) {
    size_t parent = (to - 1) / 2;
    lua_pushvalue(L, item);
    getitem(L, buf, parent);
    if (!less(L, q, qi)) break;
    to = parent;
  }
  for (size_t i = q->n; i != to; i = (i - 1) / 2) move(L, buf, (i - 1) / 2, i);
  lua_pushvalue(L, item);
  lua_rawseti(L, buf, (lua_Integer)(2 * to + 1));
  lua_pushinteger(L, (lua_Integer)q->serial++);
  lua_rawseti(L, buf, (lua_Integer)(2 * to + 2));
  lua_pop(L, 1);
}


/* Take the first item out of a heap, and push it. */
static void heappop (lua_State *L, Queue *q, int qi) {
  lua_getiuservalue(L, qi, QUV_BUFFER);
  int buf = lua_gettop(L);
  size_t last = q->n - 1;
  size_t path[MAXDEPTH];
  int depth = 0;
  size_t child = 1;
  while (child < last) {        /* the way on which the last one sinks */
    if (child + 1 < last && before(L, q, qi, buf, child + 1, child)) child++;
    if (!before(L, q, qi, buf, child, last)) break;
    path[depth++] = child;
    child = 2 * child + 1;
  }
  getitem(L, buf, 0);
  size_t hole = 0;
  for (int i = 0; i < depth; i++) {
    move(L, buf, path[i], hole);
    hole = path[i];
  }
  move(L, buf, last, hole);
  for (int k = 1; k <= 2; k++) {
    lua_pushnil(L);
    lua_rawseti(L, buf, (lua_Integer)(2 * last) + k);
  }
  lua_remove(L, buf);
}


/* Put the item at 'item' into the queue. An error leaves all as it was. */
static void give (lua_State *L, Queue *q, int qi, int item) {
  reserve(L, q, qi);
  if (q->order == HEAP) heappush(L, q, qi, item);
  else {
    size_t slot = (q->first + q->n) & (q->cap - 1);
    lua_getiuservalue(L, qi, QUV_BUFFER);
    lua_pushvalue(L, item);
    lua_rawseti(L, -2, (lua_Integer)slot + 1);
  }
  q->n++;
  q->changes++;
  q->unfinished++;
}


/* Take an item out, which is then on top of the stack. An error leaves all as
   it was. */
static void take (lua_State *L, Queue *q, int qi) {
  if (q->order == HEAP) heappop(L, q, qi);
  else {
    size_t i = (q->order == LIFO) ? q->n - 1 : 0;
    lua_Integer slot = (lua_Integer)((q->first + i) & (q->cap - 1)) + 1;
    lua_getiuservalue(L, qi, QUV_BUFFER);
    lua_rawgeti(L, -1, slot);
    lua_pushnil(L);
    lua_rawseti(L, -3, slot);
    if (q->order == FIFO) q->first = (q->first + 1) & (q->cap - 1);
  }
  q->n--;
  q->changes++;
}


static int protectedgive (lua_State *L) {
  give(L, (Queue *)lua_touserdata(L, 1), 1, 2);
  return 0;
}


static int protectedtake (lua_State *L) {
  take(L, (Queue *)lua_touserdata(L, 1), 1);
  return 1;
}


/* Call one of the two in protected mode, with the queue and, for 'give', the
   item on the stack: whoever held a turn and fails passes it on first. */
static void passing (lua_State *L, Queue *q, lua_CFunction f, int nargs,
                     int nresults) {
  lua_pushcfunction(L, f);
  lua_insert(L, -nargs - 1);
  int status = lua_pcall(L, nargs, nresults, 0);
  if (status == LUA_OK) return;
  balance(q);
  lua_error(L);
}


/*
** Operations
*/

static int raiseshutdown (lua_State *L, Core *c) {
  return ca_error_raise(L, c, ERR_QUEUESHUTDOWN,
                        "the queue has been shut down");
}


static void endturn (QueueOp *op) {
  if (!op->turn) return;
  op->turn = false;
  sideof(op)->turns--;
}


static void op_giveup (Op *base, Task *t) {
  leave(sideof((QueueOp *)base), t);
}


static void op_giveback (lua_State *L, Core *c, Op *base) {
  QueueOp *op = (QueueOp *)base;
  (void)L;
  (void)c;
  endturn(op);
  balance(op->queue);
}


static int get_start (lua_State *L, Core *c, Op *base, Task *t) {
  QueueOp *op = (QueueOp *)base;
  const Queue *q = op->queue;
  (void)c;
  if (q->n > q->getters.turns || (q->shutdown && q->n == 0)) return CA_READY;
  return queueup(L, op, t);
}


/* What 'getnext' returns when the queue is shut down and empty. */
enum { NOMORE = -2 };


/* Take an item and push it; or CA_AGAIN, or NOMORE. */
static int getnext (lua_State *L, Core *c, QueueOp *op) {
  Queue *q = op->queue;
  endturn(op);
  if (q->n == 0 && q->shutdown) return NOMORE;
  if (robbed(op, q->n)) return queueagain(op, c->running);
  lua_getiuservalue(L, 1, OPUV_OWNER);  /* at 2 */
  if (q->order == HEAP && op->ticket != 0)
    passing(L, q, protectedtake, 1, 1);
  else
    take(L, q, 2);
  balance(q);
  return 1;
}


static int get_finish (lua_State *L, Core *c, Op *base) {
  int n = getnext(L, c, (QueueOp *)base);
  return (n == NOMORE) ? raiseshutdown(L, c) : n;
}


/* For loops: the end of the queue is nil. */
static int next_finish (lua_State *L, Core *c, Op *base) {
  int n = getnext(L, c, (QueueOp *)base);
  if (n != NOMORE) return n;
  lua_pushnil(L);
  return 1;
}


static int put_start (lua_State *L, Core *c, Op *base, Task *t) {
  QueueOp *op = (QueueOp *)base;
  const Queue *q = op->queue;
  (void)c;
  if (q->shutdown || freeslots(q) > q->putters.turns) return CA_READY;
  return queueup(L, op, t);
}


static int put_finish (lua_State *L, Core *c, Op *base) {
  QueueOp *op = (QueueOp *)base;
  Queue *q = op->queue;
  endturn(op);
  if (q->shutdown) return raiseshutdown(L, c);
  if (robbed(op, freeslots(q))) return queueagain(op, c->running);
  lua_getiuservalue(L, 1, OPUV_OWNER);  /* at 2 */
  lua_getiuservalue(L, 1, OPUV_ITEM);
  if (q->order == HEAP && op->ticket != 0)
    passing(L, q, protectedgive, 2, 0);
  else
    give(L, q, 2, 3);
  balance(q);
  return 0;
}


static const OpType gettype = {
  .name = "Queue.get",
  .start = get_start,
  .giveup = op_giveup,
  .finish = get_finish,
  .giveback = op_giveback,
  .small = true,
  .nuv = 1,
};

static const OpType nexttype = {
  .name = "Queue.get",
  .start = get_start,
  .giveup = op_giveup,
  .finish = next_finish,
  .giveback = op_giveback,
  .small = true,
  .nuv = 1,
};

static const OpType puttype = {
  .name = "Queue.put",
  .start = put_start,
  .giveup = op_giveup,
  .finish = put_finish,
  .giveback = op_giveback,
  .small = true,
  .nuv = 2,
};


static Side *sideof (const QueueOp *op) {
  Queue *q = op->queue;
  return (op->op.type == &puttype) ? &q->putters : &q->getters;
}


static int join_start (lua_State *L, Core *c, Op *base, Task *t) {
  Queue *q = ((QueueOp *)base)->queue;
  (void)c;
  if (q->unfinished == 0) return CA_READY;
  ca_waitlist_park(L, &q->joiners, t);
  return CA_WAIT;
}


static void join_giveup (Op *base, Task *t) {
  ca_waitlist_leave(&((QueueOp *)base)->queue->joiners, t);
}


static int join_finish (lua_State *L, Core *c, Op *base) {
  (void)L;
  (void)c;
  (void)base;
  return 0;
}


static const OpType jointype = {
  .name = "Queue.join",
  .start = join_start,
  .giveup = join_giveup,
  .finish = join_finish,
  .small = true,
  .nuv = 1,
};


/*
** Methods
*/

static Queue *checkqueue (lua_State *L) {
  return (Queue *)ca_check(L, ca_core(L), 1, KIND_QUEUE);
}


/* A new operation of the queue at index 1. */
static int newop (lua_State *L, const OpType *type) {
  Core *c = ca_core(L);
  Queue *q = (Queue *)ca_check(L, c, 1, KIND_QUEUE);
  QueueOp *op = (QueueOp *)ca_op_new(L, c, type, sizeof(QueueOp), type->nuv,
                                     1);
  op->queue = q;
  return 1;
}


static int queue_empty (lua_State *L) {
  lua_pushboolean(L, checkqueue(L)->n == 0);
  return 1;
}


static int queue_full (lua_State *L) {
  lua_pushboolean(L, freeslots(checkqueue(L)) == 0);
  return 1;
}


static int queue_get (lua_State *L) {
  return newop(L, &gettype);
}


static int queue_getnowait (lua_State *L) {
  Queue *q = checkqueue(L);
  if (q->n == 0) {
    if (q->shutdown) return raiseshutdown(L, ca_core(L));
    return ca_error_raise(L, ca_core(L), ERR_QUEUEEMPTY,
                          "the queue is empty");
  }
  take(L, q, 1);
  balance(q);
  return 1;
}


static int queue_join (lua_State *L) {
  return newop(L, &jointype);
}


/* core.queue_next(queue): like 'get', but gives nil at the end. */
static int queue_next (lua_State *L) {
  return newop(L, &nexttype);
}


static int queue_put (lua_State *L) {
  int n = lua_gettop(L);
  if (n < 2) {
    checkqueue(L);
    luaL_checkany(L, 2);
  }
  if (n > 2) lua_settop(L, 2);
  newop(L, &puttype);
  lua_insert(L, 2);
  lua_setiuservalue(L, 2, OPUV_ITEM);
  return 1;
}


static int queue_putnowait (lua_State *L) {
  Queue *q = checkqueue(L);
  luaL_checkany(L, 2);
  if (q->shutdown) return raiseshutdown(L, ca_core(L));
  if (freeslots(q) == 0)
    return ca_error_raise(L, ca_core(L), ERR_QUEUEFULL, "the queue is full");
  give(L, q, 1, 2);
  balance(q);
  return 0;
}


static int queue_qsize (lua_State *L) {
  lua_pushinteger(L, (lua_Integer)checkqueue(L)->n);
  return 1;
}


/* queue:shutdown([immediate]): no more puts; with 'immediate' what is in the
   queue is dropped, and counts as done. */
static int queue_shutdown (lua_State *L) {
  Queue *q = checkqueue(L);
  q->shutdown = true;
  if (lua_toboolean(L, 2)) {
    lua_pushnil(L);
    lua_setiuservalue(L, 1, QUV_BUFFER);
    q->unfinished -= (q->n < q->unfinished) ? q->n : q->unfinished;
    q->n = q->cap = q->first = 0;
    q->changes++;
    if (q->unfinished == 0) ca_waitlist_wakeall(&q->joiners);
  }
  balance(q);
  return 0;
}


static int queue_taskdone (lua_State *L) {
  Queue *q = checkqueue(L);
  if (q->unfinished == 0)
    return ca_misuse(L, "task_done() called too many times");
  if (--q->unfinished == 0) ca_waitlist_wakeall(&q->joiners);
  return 0;
}


static void addcount (lua_State *L, luaL_Buffer *b, const char *what,
                      size_t n, const char *close) {
  if (n == 0) return;
  luaL_addstring(b, what);
  lua_pushfstring(L, "%I%s", (LUAI_UACINT)n, close);
  luaL_addvalue(b);
}


static int queue_tostring (lua_State *L) {
  Queue *q = checkqueue(L);
  luaL_Buffer b;
  lua_getiuservalue(L, 1, QUV_MAXSIZE);
  const char *maxsize = luaL_tolstring(L, -1, NULL);
  luaL_buffinit(L, &b);
  lua_pushfstring(L, "<%s maxsize=%s", names[q->order], maxsize);
  luaL_addvalue(&b);
  addcount(L, &b, " _queue[", q->n, "]");
  addcount(L, &b, " _getters[", q->getters.waiting.n, "]");
  addcount(L, &b, " _putters[", q->putters.waiting.n, "]");
  addcount(L, &b, " tasks=", q->unfinished, "");
  if (q->shutdown) luaL_addstring(&b, " shutdown");
  luaL_addchar(&b, '>');
  luaL_pushresult(&b);
  return 1;
}


/* 'maxsize' as a count: any number that is not positive means no limit, and
   1.3 is full with 2. */
static size_t checkmaxsize (lua_State *L, int idx) {
  if (lua_isnoneornil(L, idx)) return SIZE_MAX;
  luaL_checktype(L, idx, LUA_TNUMBER);
  lua_Number max = lua_tonumber(L, idx);
  luaL_argcheck(L, max == max, idx, "a number of items expected, got NaN");
  if (max <= 0 || max >= INT_MAX) return SIZE_MAX;
  size_t n = (size_t)max;
  return ((lua_Number)n < max) ? n + 1 : n;
}


/*
** Push the metatable of queues with the maxsize at index 1. 'maxsize' is a
** field and methods are fields too, and an __index that is a function would
** double the cost of every call; so queues of one size share a metatable
** whose __index has 'maxsize' and a copy of the methods, and goes on to the
** table of methods for those that are added later.
*/
static void pushmeta (lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &metaskey);
  lua_pushvalue(L, 1);
  if (lua_rawget(L, -2) != LUA_TNIL) {
    lua_remove(L, -2);
    return;
  }
  lua_pop(L, 1);
  int metas = lua_gettop(L), general = metas + 1, special = metas + 2;
  lua_getiuservalue(L, CORE, UV_TYPES + KIND_QUEUE);
  ca_type_copy(L);
  lua_getfield(L, general, "__index");
  ca_type_copy(L);                      /* __index */
  lua_pushvalue(L, 1);
  lua_setfield(L, -2, "maxsize");
  lua_createtable(L, 0, 1);
  lua_pushvalue(L, -3);
  lua_setfield(L, -2, "__index");
  lua_setmetatable(L, -2);
  lua_remove(L, -2);
  lua_setfield(L, special, "__index");
  lua_pushvalue(L, 1);
  lua_pushvalue(L, special);
  lua_rawset(L, metas);
  lua_replace(L, metas);
  lua_settop(L, metas);
}


static int newqueue (lua_State *L, Order order) {
  size_t max = checkmaxsize(L, 1);
  if (order == HEAP && !lua_isnoneornil(L, 2))
    luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_settop(L, 2);
  if (lua_isnil(L, 1)) {
    lua_pushinteger(L, 0);
    lua_replace(L, 1);
  }
  Queue *q = (Queue *)ca_object_new(L, ca_core(L), KIND_QUEUE, sizeof(Queue),
                                    QUV_COUNT);
  ca_waitlist_init(&q->getters.waiting);
  ca_waitlist_init(&q->putters.waiting);
  ca_waitlist_init(&q->joiners);
  q->order = order;
  q->max = max;
  q->natural = lua_isnil(L, 2);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, QUV_MAXSIZE);
  lua_pushvalue(L, 2);
  lua_setiuservalue(L, -2, QUV_LESS);
  pushmeta(L);
  lua_setmetatable(L, -2);
  return 1;
}


static int queue_new (lua_State *L) {
  return newqueue(L, FIFO);
}


static int queue_newlifo (lua_State *L) {
  return newqueue(L, LIFO);
}


/* PriorityQueue([maxsize [, less]]) */
static int queue_newpriority (lua_State *L) {
  return newqueue(L, HEAP);
}


static const luaL_Reg methods[] = {
  {"empty", queue_empty},
  {"full", queue_full},
  {"get", queue_get},
  {"get_nowait", queue_getnowait},
  {"join", queue_join},
  {"put", queue_put},
  {"put_nowait", queue_putnowait},
  {"qsize", queue_qsize},
  {"shutdown", queue_shutdown},
  {"task_done", queue_taskdone},
  {NULL, NULL}
};

static const luaL_Reg meta[] = {
  {"__tostring", queue_tostring},
  {NULL, NULL}
};

static const luaL_Reg functions[] = {
  {"LifoQueue", queue_newlifo},
  {"PriorityQueue", queue_newpriority},
  {"Queue", queue_new},
  {"queue_next", queue_next},
  {NULL, NULL}
};


/* Lua adds methods to 'QueueMethods': see lua/casync/queues.lua. */
void ca_queue_open (lua_State *L) {
  ca_type_new(L, KIND_QUEUE, "Queue", methods, meta);
  lua_getfield(L, -1, "__index");
  lua_setfield(L, -3, "QueueMethods");
  lua_pop(L, 1);
  lua_newtable(L);              /* maxsize -> metatable, weak */
  lua_createtable(L, 0, 1);
  lua_pushliteral(L, "v");
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &metaskey);
  ca_setfuncs(L, functions);
}
