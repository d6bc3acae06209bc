/*
** handle.h - callbacks: what call_soon, call_later and done-callbacks give.
*/

#ifndef CA_HANDLE_H
#define CA_HANDLE_H

#include "core.h"
#include "future.h"
#include "loop.h"

/* User values of a handle; its arguments follow. */
enum { HUV_FUNCTION = 1, HUV_CONTEXT, HUV_SOURCE, HUV_ARGS };

typedef struct Handle {
  Object head;          /* n: number of arguments */
  Loop *loop;
  uint32_t generation;
  uint32_t slot;        /* its anchor while it is scheduled, or 0 */
  Job job;
  Timer timer;
  Node node;            /* of a done-callback: its place in the future */
  Future *future;       /* of a done-callback */
  lua_Number when;      /* of a timer handle */
  bool timed;
  bool cancelled;
} Handle;

/* A new handle, pushed, for the function and 'n' arguments on the stack
   (popped). 'context' is an index, or 0 for the current context. */
Handle *ca_handle_new (lua_State *L, Core *c, Loop *l, int n, int context);

/*
** Call the function of the handle at index 'idx' (absolute) in its context:
** with its arguments, or with the value at 'arg' if that is not 0. An error
** goes to the exception handler.
*/
void ca_handle_call (lua_State *L, Loop *l, Handle *h, int idx, int arg);

/* Push the context value of whatever runs now (task, callback or none). */
void ca_context_push (lua_State *L, Core *c);

void ca_handle_open (lua_State *L);

#endif
