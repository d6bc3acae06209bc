/*
** poll.c - watching descriptors: add_reader, add_writer.
**
** One Poll per descriptor serves both directions, for libuv takes only one
** handle for each. It watches a duplicate, so closing the descriptor behind
** our back cannot make libuv abort; a Poll whose descriptor has become
** another file since is replaced.
**
** While the descriptor is ready, libuv's callback posts the job of the
** direction, at most once a round, and the job runs the Handle.
**
** The Polls of a loop are found through a table in the registry, under the
** address of the Loop: descriptor -> Poll. It belongs to one generation of
** the loop; entries are removed before their Poll is closed.
*/

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "handle.h"
#include "loop.h"
#include "operations.h"
#include "reserve.h"

typedef enum Direction { READER, WRITER } Direction;

typedef struct Watch {
  Job job;
  struct Poll *poll;
  uint32_t slot;                /* anchor of the Handle, or 0 */
  bool posted;
} Watch;

typedef struct Poll {
  Body body;
  uv_poll_t uv;
  Loop *loop;
  int fd;                       /* the duplicate */
  Watch watches[2];             /* by Direction */
  bool closed;                  /* libuv has closed it */
  bool dying;                   /* closed by the loop */
} Poll;

/* Its address is the registry key of the table of tables. */
static const char registrykey = 0;


static void onpoll (uv_poll_t *uv, int status, int events);


/* {=======================================================
** Life of a Poll
** ======================================================== */

static void freepoll (Poll *p) {
  if (p->watches[READER].posted || p->watches[WRITER].posted)
    if (!p->dying) return;      /* the job does it */
  ca_free(p->loop->core, p, sizeof(Poll));
}


static void onclosed (uv_handle_t *handle) {
  Poll *p = container_of(handle, Poll, uv);
  close(p->fd);
  p->closed = true;
  ca_body_closed(&p->body);
  freepoll(p);
}


static void closebody (Body *body) {
  Poll *p = container_of(body, Poll, body);
  p->dying = true;
  if (!uv_is_closing((uv_handle_t *)&p->uv))
    uv_close((uv_handle_t *)&p->uv, onclosed);
}


/* Watch for what there are watches for. */
static int rearm (Poll *p) {
  int events = (p->watches[READER].slot != 0 ? UV_READABLE : 0) |
               (p->watches[WRITER].slot != 0 ? UV_WRITABLE : 0);
  if (events == 0) return uv_poll_stop(&p->uv);
  int status = ca_reserve_fd(p->loop, p->fd);
  return status != 0 ? status : uv_poll_start(&p->uv, events, onpoll);
}


static void post (Watch *w) {
  if (w->slot == 0 || w->posted) return;
  w->posted = true;
  ca_loop_post(w->poll->loop, &w->job);
}


/* An error of the descriptor is for both: they find it when they read or
   write. libuv stops watching then, we go on, as asyncio does. */
static void onpoll (uv_poll_t *uv, int status, int events) {
  Poll *p = container_of(uv, Poll, uv);
  if (status != 0) {
    events = UV_READABLE | UV_WRITABLE;
    rearm(p);
  }
  if (events & UV_READABLE) post(&p->watches[READER]);
  if (events & UV_WRITABLE) post(&p->watches[WRITER]);
}


/* Run the callback: its handle is scheduled and run at once. */
static void runwatch (lua_State *L, Loop *l, Job *job) {
  Watch *w = container_of(job, Watch, job);
  w->posted = false;
  if (w->poll->closed) {
    freepoll(w->poll);
    return;
  }
  if (w->slot == 0) return;
  ca_anchor_push(L, l->core, l, w->slot);
  Handle *h = (Handle *)lua_touserdata(L, -1);
  h->slot = ca_anchor(L, l->core, l);
  h->job.run(L, l, &h->job);
}


/* Is 'fd' still the file of which 'own' is a duplicate? */
static bool samefile (int fd, int own) {
  struct stat a, b;
  return fstat(fd, &a) == 0 && fstat(own, &b) == 0 &&
         a.st_dev == b.st_dev && a.st_ino == b.st_ino &&
         a.st_mode == b.st_mode;
}


/*
** A new Poll for a descriptor. libuv makes descriptors non-blocking, which
** is not ours to decide: the flags are put back.
*/
static Poll *newpoll (lua_State *L, Core *c, Loop *l, int fd) {
  lua_pushfstring(L, "file descriptor %d", fd);
  const char *detail = lua_tostring(L, -1);
  struct stat s;
  int flags = fcntl(fd, F_GETFL);
  if (flags < 0 || fstat(fd, &s) != 0)
    ca_error_uv(L, c, uv_translate_sys_error(errno), "fstat", detail);
  int own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
  if (own < 0)
    ca_error_uv(L, c, uv_translate_sys_error(errno), "dup", detail);
  Poll *p = (Poll *)ca_malloc(c, sizeof(Poll));
  int status = UV_ENOMEM;
  if (p != NULL) {
    memset(p, 0, sizeof *p);
    status = uv_poll_init(&l->uv, &p->uv, own);
    fcntl(own, F_SETFL, flags);
  }
  if (status != 0) {
    close(own);
    ca_free(c, p, sizeof(Poll));
    ca_error_uv(L, c, status, "epoll_ctl", status == UV_EPERM
      ? "a regular file or directory is always ready and cannot be watched"
      : detail);
  }
  p->loop = l;
  p->fd = own;
  for (int i = READER; i <= WRITER; i++) {
    p->watches[i].poll = p;
    p->watches[i].job.run = runwatch;
  }
  ca_body_open(l, &p->body, closebody);
  lua_pop(L, 1);
  return p;
}

/* }====================================================== */


/* Push the table of a loop: fd -> Poll. */
static void pushpolls (lua_State *L, Loop *l) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &registrykey) != LUA_TTABLE) {
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &registrykey);
  }
  if (lua_rawgetp(L, -1, l) == LUA_TTABLE) {
    lua_getfield(L, -1, "generation");
    bool current = lua_tointeger(L, -1) == (lua_Integer)l->generation;
    lua_pop(L, 1);
    if (current) {
      lua_remove(L, -2);
      return;
    }
  }
  lua_pop(L, 1);
  lua_newtable(L);
  lua_pushinteger(L, (lua_Integer)l->generation);
  lua_setfield(L, -2, "generation");
  lua_pushvalue(L, -1);
  lua_rawsetp(L, -3, l);
  lua_remove(L, -2);
}


/* The descriptor at 2. */
static int checkfd (lua_State *L) {
  lua_Integer fd = luaL_checkinteger(L, 2);
  luaL_argcheck(L, fd >= 0 && fd <= INT_MAX, 2,
                "a file descriptor is a number, 0 or more");
  return (int)fd;
}


/* Take a watch out; false: there was none. */
static bool unwatch (lua_State *L, Core *c, Watch *w) {
  if (w->slot == 0) return false;
  uint32_t slot = w->slot;
  w->slot = 0;
  ca_anchor_drop(L, c, w->poll->loop, slot);
  return true;
}


/* Close a Poll that is at 'fd' in the table at 'polls'. */
static void closepoll (lua_State *L, Core *c, Poll *p, int polls, int fd) {
  unwatch(L, c, &p->watches[READER]);
  unwatch(L, c, &p->watches[WRITER]);
  lua_pushnil(L);
  lua_rawseti(L, polls, fd);
  uv_close((uv_handle_t *)&p->uv, onclosed);
}


static int add (lua_State *L, Direction direction) {
  Core *c = ca_core(L);
  Loop *l = ca_loop_check(L, c, 1);
  int fd = checkfd(L);
  luaL_checktype(L, 3, LUA_TFUNCTION);
  ca_handle_new(L, c, l, lua_gettop(L) - 3, 0);         /* at 3 */
  pushpolls(L, l);                                      /* at 4 */
  lua_rawgeti(L, 4, fd);
  Poll *p = (Poll *)lua_touserdata(L, -1);
  lua_pop(L, 1);
  if (p != NULL && !samefile(fd, p->fd)) {
    closepoll(L, c, p, 4, fd);
    p = NULL;
  }
  if (p == NULL) {
    lua_pushlightuserdata(L, NULL);
    lua_rawseti(L, 4, fd);      /* so that setting it cannot fail below */
    p = newpoll(L, c, l, fd);
    lua_pushlightuserdata(L, p);
    lua_rawseti(L, 4, fd);
  }
  Watch *w = &p->watches[direction];
  lua_pushvalue(L, 3);
  uint32_t slot = ca_anchor(L, c, l);
  unwatch(L, c, w);
  w->slot = slot;
  int status = rearm(p);
  if (status != 0) {
    closepoll(L, c, p, 4, fd);
    return ca_error_uv(L, c, status, "epoll_ctl", NULL);
  }
  return 0;
}


static int removewatch (lua_State *L, Direction direction) {
  Core *c = ca_core(L);
  ca_check(L, c, 1, KIND_LOOP);
  int fd = checkfd(L);
  lua_settop(L, 2);
  Loop *l = ca_loop_check(L, c, 1);
  pushpolls(L, l);
  lua_rawgeti(L, 3, fd);
  Poll *p = (Poll *)lua_touserdata(L, -1);
  lua_pop(L, 1);
  bool found = p != NULL && unwatch(L, c, &p->watches[direction]);
  if (found && p->watches[1 - direction].slot == 0)
    closepoll(L, c, p, 3, fd);
  else if (found) rearm(p);
  lua_pushboolean(L, found);
  return 1;
}


/* loop:add_reader(fd, fn, ...): call fn once a round while fd is readable,
   in place of what was called before. */
static int loop_add_reader (lua_State *L) {
  return add(L, READER);
}


/* loop:add_writer(fd, fn, ...): likewise while it is writable. */
static int loop_add_writer (lua_State *L) {
  return add(L, WRITER);
}


/* loop:remove_reader(fd): true if there was one. */
static int loop_remove_reader (lua_State *L) {
  return removewatch(L, READER);
}


static int loop_remove_writer (lua_State *L) {
  return removewatch(L, WRITER);
}


static const luaL_Reg loopmethods[] = {
  {"add_reader", loop_add_reader},
  {"add_writer", loop_add_writer},
  {"remove_reader", loop_remove_reader},
  {"remove_writer", loop_remove_writer},
  {NULL, NULL}
};


void ca_poll_open (lua_State *L) {
  lua_getfield(L, -1, "LoopMethods");
  ca_setfuncs(L, loopmethods);
  lua_pop(L, 1);
}
