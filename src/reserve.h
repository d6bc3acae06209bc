/*
** reserve.h - what libuv must get, for it aborts the process without.
*/

#ifndef CA_RESERVE_H
#define CA_RESERVE_H

#include "loop.h"

/* 'uv_loop_init' for those who have to go on without a loop. */
int ca_reserve_loop (Core *c, uv_loop_t *uv);

/* Can 'fd' be watched in the loop? Asked before the first call that may
   watch it. 0, or an error of libuv. */
int ca_reserve_fd (Loop *l, int fd);

/* Likewise for the descriptor of an open handle. */
int ca_reserve_handle (Loop *l, const uv_handle_t *handle);

#endif
