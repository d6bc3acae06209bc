/*
** link.c - being told when one of many futures settles: see link.h.
*/

#include "link.h"


static size_t linksize (uint32_t n) {
  return sizeof(Links) + n * sizeof(Link);
}


void ca_link_settled (Node *node) {
  Link *link = container_of(node, Link, node);
  Links *links = link->links;
  if (!links->loop->open || links->loop->generation != links->generation)
    return;             /* it was closed: nobody waits any more */
  links->nqueued++;
  ca_loop_post(links->loop, &link->job);
}


Links *ca_links_new (lua_State *L, Core *c, Loop *l, uint32_t n,
                        void (*run) (lua_State *, Loop *, Job *)) {
  Links *links = ca_malloc(c, linksize(n));
  if (links == NULL) ca_nomem(L);
  links->core = c;
  links->loop = l;
  links->generation = l->generation;
  list_init(&links->orphan.link);
  links->n = links->used = n;
  links->nqueued = 0;
  links->owner = NULL;
  for (uint32_t i = 0; i < n; i++) {
    Link *link = &links->link[i];
    list_init(&link->node.link);
    link->node.settled = ca_link_settled;
    link->job.next = NULL;
    link->job.run = run;
    link->links = links;
    link->member = NULL;
  }
  return links;
}


void ca_links_free (Links *links) {
  list_remove(&links->orphan.link);
  ca_free(links->core, links, linksize(links->n));
}


void ca_links_drop (Links *links) {
  links->owner = NULL;
  for (uint32_t i = 0; i < links->used; i++)
    list_remove(&links->link[i].node.link);
  if (links->nqueued == 0 || !links->loop->open ||
      links->loop->generation != links->generation) ca_links_free(links);
  else ca_loop_orphan(links->loop, &links->orphan, linksize(links->n));
}


Loop *ca_links_loop (lua_State *L, Core *c, int idx, int list,
                     lua_Integer n) {
  if (!lua_isnoneornil(L, idx)) return ca_loop_check(L, c, idx);
  if (c->loop != NULL) return c->loop;
  for (lua_Integer i = 1; i <= n; i++) {
    lua_rawgeti(L, list, i);
    Future *f = ca_future_test(L, c, -1);
    lua_pop(L, 1);
    if (f != NULL && ca_future_loop(f) != NULL) return f->loop;
  }
  return ca_loop_get(L, c);
}


lua_Integer ca_links_size (lua_State *L, int list, lua_Integer n) {
  luaL_argcheck(L, n >= 0, list, "the length of the list is negative");
  luaL_argcheck(L, n < 0x7ffffff, list, "list too long");
  return n;
}


lua_Integer ca_links_count (lua_State *L, int list) {
  lua_Integer n;
  luaL_checktype(L, list, LUA_TTABLE);
  if (lua_getfield(L, list, "n") == LUA_TNUMBER) n = lua_tointeger(L, -1);
  else n = (lua_Integer)lua_rawlen(L, list);
  lua_pop(L, 1);
  return ca_links_size(L, list, n);
}
