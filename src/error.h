/*
** error.h - error objects raised by C: see error.c.
*/

#ifndef CA_ERROR_H
#define CA_ERROR_H

#include "core.h"

/* Push a new error of a class; its message is the string (or nil) on top
   of the stack, which is popped. */
void ca_error_new (lua_State *L, Core *c, ErrorClass which);

/* Raise an error of a class with a formatted message (NULL: none). */
int ca_error_raise (lua_State *L, Core *c, ErrorClass which,
                    const char *fmt, ...);

/* Raise OSError for the libuv status 'err' of the call 'syscall'; UV_ECANCELED
   is CancelledError. 'detail' (may be NULL) is added to the message. */
int ca_error_uv (lua_State *L, Core *c, int err, const char *syscall,
                 const char *detail);

/* Push the OSError instead of raising it. */
void ca_error_pushuv (lua_State *L, Core *c, int err, const char *syscall,
                      const char *detail);

/* Is the value at 'idx' an error of that class, or of one derived from it? */
bool ca_error_is (lua_State *L, Core *c, int idx, ErrorClass which);

/* The error below the top is raised in the running task (or in none), with
   the traceback on top, which is popped. Forget which error that was. */
void ca_error_trace (lua_State *L, Core *c);
void ca_error_untrace (lua_State *L, Core *c);

/* Push the traceback with which the error at 'idx' came to the running task,
   or nil. Errors may be equal strings: those of other tasks are not meant. */
void ca_error_pushtrace (lua_State *L, Core *c, int idx);

void ca_error_open (lua_State *L);

#endif
