/*
** link.h - being told when one of many futures settles.
**
** Each member of a gather or a Watch has a Link: a node in the member's list
** and a job. When the member settles its job is posted, and in the next
** round the job tells the owner: asyncio's done-callbacks take the same
** round. The Links of an owner are one block of C memory. When the owner
** goes before they have all fired, the block waits for the jobs that are in
** the queue.
*/

#ifndef CA_LINK_H
#define CA_LINK_H

#include "future.h"
#include "loop.h"

typedef struct Links Links;

typedef struct Link {
  Node node;
  Job job;
  Links *links;
  Future *member;
  uint32_t slot;                /* the member's first place in the list */
} Link;

struct Links {
  Orphan orphan;                /* once the owner is gone */
  Core *core;
  Loop *loop;
  uint32_t generation;          /* of the loop */
  void *owner;                  /* NULL: it is gone */
  uint32_t n;                   /* room */
  uint32_t used;                /* how many there are */
  uint32_t nqueued;             /* jobs in the ready queue */
  Link link[];
};

/* A block of 'n' links whose jobs do 'run'. Raises when there is no memory. */
Links *ca_links_new (lua_State *L, Core *c, Loop *l, uint32_t n,
                     void (*run) (lua_State *, Loop *, Job *));

/* The owner goes: no member tells it any more. */
void ca_links_drop (Links *links);

/* Free a block without an owner whose last job has run. */
void ca_links_free (Links *links);

/* The member of the link at this node has settled: post its job. */
void ca_link_settled (Node *node);

/* The open loop at 'idx'; when it is nil the running one, or that of the
   first future of the 'n' things in 'list', or the one to use. */
Loop *ca_links_loop (lua_State *L, Core *c, int idx, int list,
                     lua_Integer n);

/* 'n' as it is, if so many things can be linked. */
lua_Integer ca_links_size (lua_State *L, int list, lua_Integer n);

/* How many things the list at 'list' has. */
lua_Integer ca_links_count (lua_State *L, int list);

#endif
