/*
** reserve.c - what libuv must get, for it aborts the process without.
**
** libuv has a table of the descriptors that a loop watches, and aborts when
** that cannot grow. It grows to a power of two when a descriptor is watched
** that is beyond its end; the first one is made by 'uv_loop_init'. So before
** any descriptor is watched it is looked up here whether the table must
** grow, and if so as much memory is taken and given back, from Lua's
** allocator and from libuv's own. Between that and libuv's own call this
** thread does nothing else; another one, though, may take what was there.
**
** The first 'uv_loop_init' of a process also makes a pipe for signals, and
** aborts without descriptors; later ones leak one. Therefore as many as it
** needs are opened and closed before.
*/

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "reserve.h"


/*
** Can libuv get a block of this size? Its allocator is reached by a read of
** more buffers than a request has room for, all of them empty: that copies
** the list of buffers, and reads nothing.
*/
static int probe (Core *c, int fd, size_t size) {
  unsigned n = (unsigned)(size / sizeof(uv_buf_t));
  uv_buf_t *empty = (uv_buf_t *)ca_malloc(c, n * sizeof(uv_buf_t));
  if (empty == NULL) return UV_ENOMEM;
  memset(empty, 0, n * sizeof(uv_buf_t));
  uv_fs_t req;
  int status = uv_fs_read(NULL, &req, fd, empty, n, -1, NULL);
  uv_fs_req_cleanup(&req);
  ca_free(c, empty, n * sizeof(uv_buf_t));
  return status == UV_ENOMEM ? status : 0;
}


/* The size of the table that has a place for 'fd', and two more. */
static size_t tablesize (int fd) {
  size_t n = 16;
  while (n < (size_t)fd + 3) n *= 2;
  return n * sizeof(void *);
}


/* Are there 'n' descriptors, and a table for them? */
static int opensome (Core *c, int n) {
  int fds[6];
  int opened = 0, highest = 0, status = 0;
  while (opened < n && status == 0) {
    int fd = opened == 0 ? open("/", O_RDONLY | O_CLOEXEC)
                         : fcntl(fds[0], F_DUPFD_CLOEXEC, 0);
    if (fd < 0) status = uv_translate_sys_error(errno);
    else fds[opened++] = fd;
    if (fd > highest) highest = fd;
  }
  if (status == 0) status = probe(c, fds[0], tablesize(highest));
  while (opened > 0) close(fds[--opened]);
  return status;
}


int ca_reserve_loop (Core *c, uv_loop_t *uv) {
  /* A loop has four descriptors, and the process two for signals. */
  static atomic_bool signals;
  int status = opensome(c, atomic_load(&signals) ? 4 : 6);
  if (status == 0) status = uv_loop_init(uv);
  if (status == 0) atomic_store(&signals, true);
  return status;
}


int ca_reserve_fd (Loop *l, int fd) {
  if (fd < 0 || (unsigned)fd < l->uv.nwatchers) return 0;
  return probe(l->core, fd, tablesize(fd));
}


int ca_reserve_handle (Loop *l, const uv_handle_t *handle) {
  uv_os_fd_t fd;
  int status = uv_fileno(handle, &fd);
  return status != 0 ? status : ca_reserve_fd(l, fd);
}
