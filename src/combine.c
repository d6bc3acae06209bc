/*
** combine.c - futures that stand for other futures: gather and shield.
**
** A Combine is anchored from its creation until all its links have fired,
** so links never outlive it: see link.h.
*/

#include <assert.h>
#include <string.h>

#include "combine.h"
#include "coro.h"
#include "error.h"
#include "link.h"
#include "spawn.h"
#include "task.h"

/* What a Combine does, in its 'mode'. */
enum { GATHER, SHIELD };

typedef struct Combine {
  Future future;
  Links *links;                 /* NULL when all have fired */
  uint32_t nleft;               /* links that have not fired */
  uint32_t nslots;              /* results (duplicates share a member) */
  uint8_t mode;
  bool collects;                /* return_exceptions */
  bool aslist;                  /* results are one list */
  bool cancelled;               /* its cancellation was asked */
  uint32_t walk;                /* the last one that came to it */
  uint32_t search;              /* likewise; see ca_combine_leadsto */
  struct Combine *next;         /* found by that search, and not looked at */
} Combine;


static inline Combine *tocombine (Future *f) {
  return (Combine *)(void *)f;
}


/* All links have fired. */
static void donewithlinks (Combine *cb) {
  Links *links = cb->links;
  cb->links = NULL;
  if (links != NULL) ca_links_drop(links);
}


/* Settle the combine at 'idx' with the outcome of the member on top, which
   failed or was cancelled. */
static void settleas (lua_State *L, Core *c, int idx, Future *member) {
  int m = lua_gettop(L);
  if (member->head.state == CANCELLED) {
    if (lua_getiuservalue(L, m, FUV_VALUE) == LUA_TNIL) {
      lua_pop(L, 1);
      ca_future_getextra(L, m, "message");
      ca_error_new(L, c, ERR_CANCELLED);
    }
    State state = RAISED;
    if (tocombine(lua_touserdata(L, idx))->mode == SHIELD) state = CANCELLED;
    ca_future_settle(L, c, idx, state, 1);
    return;
  }
  ca_future_retrieved(member);
  if (ca_future_getextra(L, m, "traceback") != LUA_TNIL)
    ca_future_setextra(L, idx, "traceback");
  else lua_pop(L, 1);
  ca_future_guard(L, idx);
  lua_getiuservalue(L, m, FUV_VALUE);
  ca_future_settle(L, c, idx, RAISED, 1);
}


/* Push the member of a link of the combine at 'idx'. */
static void pushmember (lua_State *L, int idx, Link *link) {
  lua_getiuservalue(L, idx, FUV_MEMBERS);
  lua_rawgeti(L, -1, link->slot);
  lua_replace(L, -2);
}


/* (combine): settle it as the member of the link has ended. */
static void settlefrom (lua_State *L, Core *c, void *link) {
  pushmember(L, 1, (Link *)link);
  settleas(L, c, 1, ((Link *)link)->member);
}


/* (combine): it was cancelled. */
static void settlecancelled (lua_State *L, Core *c, void *link) {
  (void)link;
  ca_future_getextra(L, 1, "message");
  ca_error_new(L, c, ERR_CANCELLED);
  ca_future_settle(L, c, 1, RAISED, 1);
}


/* Settle the combine at 'idx' by 'f'; when that lacks memory, with the error
   about it: somebody waits. */
static void settle (lua_State *L, Core *c, int idx, Link *link,
                    void (*f) (lua_State *L, Core *c, void *link)) {
  lua_pushvalue(L, idx);
  if (ca_protect(L, c, f, link, 1)) return;
  Combine *cb = (Combine *)lua_touserdata(L, idx);
  if (cb->future.head.state == PENDING)
    ca_future_settle(L, c, idx, RAISED, 1);
}


/* The member of a link of the gather at 'idx' has settled. */
static void gathered (lua_State *L, Core *c, int idx, Combine *cb,
                      Link *link) {
  Future *member = link->member;
  bool failed = member->head.state != RETURNED;
  if (cb->future.head.state != PENDING) {       /* too late for an error */
    if (member->head.state == RAISED) ca_future_retrieved(member);
    return;
  }
  if (failed && !cb->collects) {
    settle(L, c, idx, link, settlefrom);
    return;
  }
  if (member->head.state == RAISED) ca_future_retrieved(member);
  if (cb->nleft > 0) return;
  if (cb->cancelled) settle(L, c, idx, link, settlecancelled);
  else {
    lua_pushnil(L);
    ca_future_settle(L, c, idx, RETURNED, 1);
  }
}


static void shielded (lua_State *L, Core *c, int idx, Combine *cb,
                      Link *link) {
  if (cb->future.head.state != PENDING) return; /* its error is its own */
  if (link->member->head.state != RETURNED)
    settle(L, c, idx, link, settlefrom);
  else {
    lua_pushnil(L);
    ca_future_settle(L, c, idx, RETURNED, 1);
  }
}


/* The member of a link of the combine at 'idx' has settled. Raises nothing:
   all the members are counted, and the combine settles. */
static void memberdone (lua_State *L, Core *c, int idx, Link *link) {
  Combine *cb = (Combine *)lua_touserdata(L, idx);
  int top = lua_gettop(L);
  cb->nleft--;
  if (cb->mode == GATHER) gathered(L, c, idx, cb, link);
  else shielded(L, c, idx, cb, link);
  lua_settop(L, top);
  if (cb->nleft == 0) donewithlinks(cb);
}


/* The job of a link: a member of the owner settled in the last round. */
static void combinejob (lua_State *L, Loop *l, Job *job) {
  Link *link = container_of(job, Link, job);
  Links *links = link->links;
  Combine *cb = (Combine *)links->owner;
  links->nqueued--;
  if (cb == NULL) {
    if (links->nqueued == 0) ca_links_free(links);
    return;
  }
  Core *c = l->core;
  ca_anchor_push(L, c, l, cb->future.slot);
  int idx = lua_gettop(L);
  memberdone(L, c, idx, link);
  ca_future_unpin(L, c, &cb->future);
}


bool ca_combine_visit (Core *c, Future *f) {
  Combine *cb = tocombine(f);
  bool first = cb->walk != c->walk;
  cb->walk = c->walk;
  return first;
}


/* No stack: the combined futures that are found are listed by themselves. */
bool ca_combine_leadsto (Core *c, Future *f, const Future *t) {
  Combine *found = tocombine(f);
  found->search = ++c->search;
  found->next = NULL;
  while (found != NULL) {
    Combine *cb = found;
    found = cb->next;
    if (cb->mode == SHIELD || cb->links == NULL) continue;
    for (uint32_t i = 0; i < cb->links->used; i++) {
      Future *member = cb->links->link[i].member;
      uint32_t left = member->head.state == PENDING ? f->loop->ntasks + 1 : 0;
      for (; left > 0 && member->head.kind == KIND_TASK; left--) {
        if (member == t) return true;
        const Task *on = (const Task *)(const void *)member;
        if (on->place != PARKED || on->waits != WAITS_FUTURE) break;
        member = on->awaited;
      }
      if (left == 0 || member->head.kind != KIND_COMBINE) continue;
      Combine *inner = tocombine(member);
      if (inner->search == c->search) continue;
      inner->search = c->search;
      inner->next = found;
      found = inner;
    }
  }
  return false;
}


bool ca_combine_canbecancelled (const Future *f) {
  const Combine *cb = (const Combine *)(const void *)f;
  if (cb->mode == SHIELD) return true;
  if (cb->links == NULL) return false;
  for (uint32_t i = 0; i < cb->links->used; i++)
    if (cb->links->link[i].member->head.state == PENDING) return true;
  return false;
}


/* (combine, message) */
static void setmessage (lua_State *L, Core *c, void *unused) {
  (void)c;
  (void)unused;
  ca_future_setextra(L, 1, "message");
}


/* Without memory for it: a cancellation without a message. */
static void keepmessage (lua_State *L, Core *c, int idx, int msg) {
  if (msg == 0 || lua_isnoneornil(L, msg)) return;
  lua_pushvalue(L, idx);
  lua_pushvalue(L, msg);
  if (!ca_protect(L, c, setmessage, NULL, 2)) lua_pop(L, 1);
}


/* (future, message): cancel a member that is neither a task nor combined. */
static void cancelmember (lua_State *L, Core *c, void *unused) {
  (void)unused;
  ca_future_cancel(L, c, 1, 2);
}


bool ca_combine_cancel (lua_State *L, Core *c, Future *f, int msg) {
  Combine *cb = tocombine(f);
  if (!ca_combine_canbecancelled(f)) return false;
  int top = lua_gettop(L);
  ca_anchor_push(L, c, f->loop, f->slot);
  int idx = top + 1;
  if (cb->mode == SHIELD) {     /* what is shielded goes on */
    keepmessage(L, c, idx, msg);
    lua_pushnil(L);
    ca_future_settle(L, c, idx, CANCELLED, 0);
    lua_settop(L, top);
    return true;
  }
  keepmessage(L, c, idx, msg);
  cb->cancelled = true;
  for (uint32_t i = cb->links->used; i-- > 0; ) {  /* the work is a stack */
    Future *member = cb->links->link[i].member;
    if (member->head.state != PENDING) continue;
    if (member->head.kind == KIND_FUTURE) {
      pushmember(L, idx, &cb->links->link[i]);
      if (msg != 0) lua_pushvalue(L, msg);
      else lua_pushnil(L);
      ca_protect(L, c, cancelmember, NULL, 2);  /* the others all the same */
      lua_settop(L, idx);
    }
    else ca_task_addwork(L, c, member, msg);
  }
  lua_settop(L, top);
  return true;
}


void ca_combine_abandon (Future *f) {
  Combine *cb = tocombine(f);
  f->slot = 0;
  f->pins = 0;
  donewithlinks(cb);
}


/* Push the result of slot 'i' of a gather that collects. */
static void pushslot (lua_State *L, int member) {
  Future *f = (Future *)lua_touserdata(L, member);
  if (f->head.state == RETURNED) {
    Core *c = ca_core(L);
    int top = lua_gettop(L);
    int n = ca_future_result(L, c, member);
    if (n == 0) lua_pushnil(L);
    else lua_pushvalue(L, -n);
    lua_replace(L, top + 1);
    lua_settop(L, top + 1);
    return;
  }
  lua_createtable(L, 0, 2);
  if (lua_getiuservalue(L, member, FUV_VALUE) == LUA_TNIL) {
    lua_pop(L, 1);
    ca_future_getextra(L, member, "message");
    ca_error_new(L, ca_core(L), ERR_CANCELLED);
  }
  lua_setfield(L, -2, "error");
  ca_future_getextra(L, member, "traceback");
  lua_setfield(L, -2, "traceback");
  lua_getiuservalue(L, CORE, UV_FAILURE);
  lua_setmetatable(L, -2);
}


/* Push the list of results of the gather at 'idx', made once. */
static void pushresults (lua_State *L, Combine *cb, int idx) {
  if (lua_getiuservalue(L, idx, FUV_VALUE) == LUA_TTABLE) return;
  lua_pop(L, 1);
  luaL_checkstack(L, 10, "no room for results");
  lua_createtable(L, (int)cb->nslots, 1);
  int list = lua_gettop(L);
  lua_getiuservalue(L, idx, FUV_MEMBERS);
  for (uint32_t i = 1; i <= cb->nslots; i++) {
    lua_rawgeti(L, list + 1, i);
    pushslot(L, list + 2);
    lua_rawseti(L, list, i);
    lua_settop(L, list + 1);
  }
  lua_settop(L, list);
  lua_pushinteger(L, cb->nslots);
  lua_setfield(L, list, "n");
  lua_pushvalue(L, list);
  lua_setiuservalue(L, idx, FUV_VALUE);
}


int ca_combine_result (lua_State *L, Core *c, int idx) {
  Combine *cb = (Combine *)lua_touserdata(L, idx);
  idx = lua_absindex(L, idx);
  if (cb->mode == SHIELD) {
    lua_getiuservalue(L, idx, FUV_MEMBERS);
    lua_rawgeti(L, -1, 1);
    return ca_future_result(L, c, lua_gettop(L));
  }
  pushresults(L, cb, idx);
  if (cb->aslist) return 1;
  int list = lua_gettop(L);
  luaL_checkstack(L, (int)cb->nslots + 1, "too many results: give gather a "
                                          "list, then it returns one");
  for (uint32_t i = 1; i <= cb->nslots; i++) lua_rawgeti(L, list, i);
  return (int)cb->nslots;
}


/*
** The list at 'list' has n things: make them futures, in a new table
** (pushed). The same coroutine object twice is one task.
*/
static void makemembers (lua_State *L, Core *c, Loop *l, int list,
                         uint32_t n) {
  lua_createtable(L, (int)n, 0);
  int members = lua_gettop(L);
  uint32_t stamp = ++c->ngathers;
  for (uint32_t i = 1; i <= n; i++) {
    lua_rawgeti(L, list, i);
    int at = members + 1;
    if (lua_isnil(L, at))
      luaL_error(L, "nothing to wait for at position %d (nil)", (int)i);
    Object *o = ca_object(L, c, at);
    if (o != NULL && o->kind == KIND_CORO) ca_coro_totask(L, c, l, at, stamp);
    Future *f = ca_future_ensure(L, c, l, at);
    if (f->loop != l || f->generation != l->generation)
      luaL_error(L, "the future at position %d belongs to a different loop",
                 (int)i);
    lua_rawseti(L, members, i);
  }
}


/*
** Fill the links for the members (their table is on top), each once, and
** tell how many there are. A mark on the futures finds those that come
** again; nothing in between can raise.
*/
static uint32_t filllinks (lua_State *L, Links *links, uint32_t n) {
  uint32_t k = 0;
  for (uint32_t i = 1; i <= n; i++) {
    lua_rawgeti(L, -1, i);
    Future *f = (Future *)lua_touserdata(L, -1);
    lua_pop(L, 1);
    if (f->head.flags & F_MARKED) continue;
    f->head.flags |= F_MARKED;
    links->link[k].member = f;
    links->link[k++].slot = i;
  }
  for (uint32_t i = 0; i < k; i++)
    links->link[i].member->head.flags &= (uint16_t)~F_MARKED;
  return k;
}


/* Link the combine on top to its members. Those that are done already count
   at once. */
static void linkmembers (lua_State *L, Core *c, Combine *cb, Links *links) {
  int idx = lua_gettop(L);
  uint32_t k = cb->nleft;
  links->owner = cb;
  cb->future.pins = 1;          /* while we are here */
  for (uint32_t i = 0; i < k; i++) {
    Link *link = &links->link[i];
    if (link->member->head.state == PENDING) {
      cb->future.pins++;
      list_append(&link->member->nodes, &link->node.link);
    }
  }
  for (uint32_t i = 0; i < k && cb->links != NULL; i++)
    if (links->link[i].member->head.state != PENDING)
      memberdone(L, c, idx, &links->link[i]);
  ca_future_unpin(L, c, &cb->future);
}


/* Make a Combine for the list at 'list' of 'n' things, pushed. */
static Combine *newcombine (lua_State *L, Core *c, Loop *l, int list,
                            uint32_t n, int mode) {
  Combine *cb = (Combine *)ca_future_new(L, c, l, KIND_COMBINE,
                                         sizeof(Combine));
  cb->mode = (uint8_t)mode;
  cb->nslots = n;
  makemembers(L, c, l, list, n);
  lua_setiuservalue(L, -2, FUV_MEMBERS);
  return cb;
}


/* From here on the members tell the combine on top. */
static void begincombine (lua_State *L, Core *c, Combine *cb) {
  Loop *l = cb->future.loop;
  luaL_checkstack(L, 20, "cannot combine futures");
  cb->links = ca_links_new(L, c, l, cb->nslots, combinejob);
  lua_getiuservalue(L, -1, FUV_MEMBERS);
  cb->nleft = cb->links->used = filllinks(L, cb->links, cb->nslots);
  lua_pop(L, 1);
  cb->future.slot = ca_anchor(L, c, l);
  linkmembers(L, c, cb, cb->links);
}


/* first_bad(list, n): the place of what is neither a function nor can be
   awaited, or nil. */
static int combine_first_bad (lua_State *L) {
  Core *c = ca_core(L);
  lua_Integer n = luaL_checkinteger(L, 2);
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  for (lua_Integer i = 1; i <= n; i++) {
    if (lua_rawgeti(L, 1, i) != LUA_TFUNCTION &&
        !ca_coro_isawaitable(L, c, 2)) {
      lua_pushinteger(L, i);
      return 1;
    }
    lua_settop(L, 1);
  }
  return 0;
}


/* gather(loop or nil, list, return_exceptions, aslist, n): a future. */
static int combine_gather (lua_State *L) {
  Core *c = ca_core(L);
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_Integer n = ca_links_size(L, 2, luaL_checkinteger(L, 5));
  Loop *l = ca_links_loop(L, c, 1, 2, n);
  lua_settop(L, 4);
  Combine *cb = newcombine(L, c, l, 2, (uint32_t)n, GATHER);
  cb->collects = lua_toboolean(L, 3);
  cb->aslist = lua_toboolean(L, 4);
  if (n > 0) begincombine(L, c, cb);
  else {
    lua_pushnil(L);
    ca_future_settle(L, c, 5, RETURNED, 1);
  }
  lua_settop(L, 5);
  return 1;
}


/* shield(loop or nil, x): a future; cancelling it leaves x alone. */
static int combine_shield (lua_State *L) {
  Core *c = ca_core(L);
  luaL_checkany(L, 2);
  lua_settop(L, 2);
  Future *f = ca_future_test(L, c, 2);
  if (f != NULL && f->head.state != PENDING) return 1;
  lua_createtable(L, 1, 0);
  lua_pushvalue(L, 2);
  lua_rawseti(L, 3, 1);
  Loop *l = ca_links_loop(L, c, 1, 3, 1);
  Combine *cb = newcombine(L, c, l, 3, 1, SHIELD);
  begincombine(L, c, cb);
  lua_settop(L, 4);
  return 1;
}


/* A combine that was never linked (creation failed) or whose members all
   fired has no links; one that is linked is anchored. */
static int combine_gc (lua_State *L) {
  Combine *cb = (Combine *)ca_test(L, ca_core(L), 1, KIND_COMBINE);
  if (cb != NULL) donewithlinks(cb);
  return 0;
}


static int combine_tostring (lua_State *L) {
  Combine *cb = (Combine *)ca_check(L, ca_core(L), 1, KIND_COMBINE);
  static const char *const states[] = {"pending", "finished", "finished",
                                       "cancelled"};
  lua_settop(L, 1);
  ca_future_addresult(L, 1);
  lua_pushfstring(L, "<Future %s of %s%s>", states[cb->future.head.state],
                  cb->mode == GATHER ? "gather" : "shield",
                  lua_tostring(L, -1));
  return 1;
}


/* members(future): the list of what a gather or shield waits for. */
static int combine_members (lua_State *L) {
  Core *c = ca_core(L);
  Combine *cb = (Combine *)ca_test(L, c, 1, KIND_COMBINE);
  if (cb == NULL) return 0;
  lua_settop(L, 1);
  lua_createtable(L, (int)cb->nslots, 0);
  lua_getiuservalue(L, 1, FUV_MEMBERS);
  for (uint32_t i = 1; i <= cb->nslots; i++) {
    lua_rawgeti(L, 3, i);
    lua_rawseti(L, 2, i);
  }
  lua_settop(L, 2);
  return 1;
}

/* set_failure(metatable): that of the Failures which gather returns. */
static int combine_set_failure (lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  lua_setiuservalue(L, CORE, UV_FAILURE);
  return 0;
}


static const luaL_Reg combinemeta[] = {
  {"__gc", combine_gc},
  {"__tostring", combine_tostring},
  {NULL, NULL}
};


static const luaL_Reg functions[] = {
  {"first_bad", combine_first_bad},
  {"gather", combine_gather},
  {"members", combine_members},
  {"set_failure", combine_set_failure},
  {"shield", combine_shield},
  {NULL, NULL}
};


void ca_combine_open (lua_State *L) {
  ca_type_new(L, KIND_COMBINE, "casync.Future", NULL, combinemeta);
  lua_getfield(L, -2, "FutureMethods");
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
  ca_setfuncs(L, functions);
}
