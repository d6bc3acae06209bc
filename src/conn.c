/*
** conn.c - connections: receiving, sending and closing.
**
** A connection is the body of a stream, which is its box (see stream.c). It
** belongs to libuv: it lives until the callback of uv_close, whatever
** becomes of the box. Each knows the other until one of them goes.
**
** Receiving. Bytes are received as they come, up to twice the limit; then
** receiving pauses until no more than the limit is left. A read that needs
** more than that ('want') keeps it going while it waits. Between its
** wake-up and its turn to run libuv gets no room, and so receives nothing.
**
** Sending. What the system does not take at once is copied to 'out'. One
** uv_write is on its way at a time: it sends 'flight', and when it is done
** 'out' becomes the next flight. So a body needs one write request, which
** it contains.
**
** Closing. OPEN -> FLUSHING (until all is written) -> LINGERING (until the
** peer's system has acknowledged it: closing a socket while input arrives
** makes the kernel throw away its output) -> CLOSED. While closing, input
** is read and dropped. An abort goes to CLOSED at once.
**
** Where only writing has failed, reads fail once there is nothing more to
** read.
*/

#include <poll.h>
#include <string.h>

#if defined(__linux__)
#include <linux/sockios.h>
#include <sys/ioctl.h>
#endif

#include "conn.h"
#include "reserve.h"
#include "stream.h"

enum {
  MINCHUNK = 4096, MAXCHUNK = 65536,
  LINGERTIME = 2000,            /* milliseconds */
  LINGERBYTES = 65536           /* input dropped for a lingering close */
};


static inline Core *coreof (const Conn *n) {
  return n->loop->core;
}


/* Wake all tasks in a list. */
static void wakeall (List *tasks) {
  while (!list_empty(tasks)) {
    Task *t = container_of(tasks->next, Task, node.link);
    list_remove(&t->node.link);
    ca_task_wake(t);
  }
}


size_t ca_conn_unwritten (const Conn *n) {
  size_t queued = ca_buffer_length(&n->out);
  if (n->writing) queued += uv_stream_get_write_queue_size(&n->uv.stream);
  return queued;
}


static void setpaused (Conn *n) {
  size_t queued = ca_conn_unwritten(n);
  if (queued > n->high) n->paused = true;
  else if (queued <= n->low || n->writeerr != 0) {
    n->paused = false;
    wakeall(&n->drainers);
  }
}


/* {=======================================================
** Closing
** ======================================================== */

static void onclose (uv_handle_t *handle) {
  Conn *n = container_of(handle, Conn, uv.handle);
  Core *c = coreof(n);
  if (n->stream != NULL) {
    n->stream->writeerr = n->writeerr;
    n->stream->conn = NULL;
  }
  wakeall(&n->closers);
  if (n->gone != NULL) n->gone(n);
  ca_body_closed(&n->body);
  ca_buffer_free(c, &n->in);
  ca_buffer_free(c, &n->out);
  ca_buffer_free(c, &n->flight);
  ca_free(c, n, sizeof(Conn));
}


static void wakereader (Conn *n) {
  Task *t = n->parked;
  n->parked = NULL;
  if (t != NULL) ca_task_wake(t);
}


/* The end of it, now. */
static void end (Conn *n) {
  if (n->state == CONN_CLOSED) return;
  n->state = CONN_CLOSED;
  ca_timer_unset(n->loop, &n->timer);
  wakereader(n);
  wakeall(&n->drainers);
  uv_close(&n->uv.handle, onclose);
}


void ca_conn_abort (Conn *n) {
  if (n->state == CONN_CLOSED) return;
  bool waited = ca_conn_unwritten(n) > 0 || !list_empty(&n->drainers);
  if (n->writeerr == 0 && waited) n->writeerr = UV_ECONNABORTED;
  end(n);
}


/* The loop closes. Its tasks have been taken out of all lists before. */
static void closebody (Body *body) {
  Conn *n = container_of(body, Conn, body);
  if (n->stream != NULL) n->stream->closed = true;
  n->parked = NULL;
  end(n);
}


/* Has the peer's system got all that was written? If that cannot be told,
   it has. After uv_shutdown the end itself counts for one byte. */
static bool delivered (const Conn *n) {
#if defined(SIOCOUTQ)
  uv_os_fd_t fd;
  int left;
  if (uv_fileno(&n->uv.handle, &fd) != 0) return true;
  return ioctl(fd, SIOCOUTQ, &left) != 0 || left <= 1;
#else
  (void)n;
  return true;
#endif
}


static void advance (Conn *n);
static void checklame (Conn *n);


static void setclosetimer (Conn *n, int milliseconds) {
  if (n->timer.index != 0) return;
  int64_t deadline = ca_loop_now(n->loop) + milliseconds * 1000000LL;
  if (!ca_timer_set(n->loop, &n->timer, deadline)) ca_conn_abort(n);
}


/* Time to look whether closing gets on. */
static void onclosetimer (Timer *timer) {
  Conn *n = container_of(timer, Conn, timer);
  if (n->state == CONN_LINGERING) {
    n->waited = n->waited * 2;
    if (n->waited >= LINGERTIME || delivered(n)) end(n);
    else setclosetimer(n, n->waited);
  }
  else if (n->state == CONN_FLUSHING) {
    size_t left = ca_conn_unwritten(n);
    if (left < n->left) {
      n->left = left;
      n->waited = 0;
    }
    else n->waited += LINGERTIME / 4;
    if (n->waited >= LINGERTIME) ca_conn_abort(n);
    else setclosetimer(n, LINGERTIME / 4);
  }
}


static void linger (Conn *n) {
  ca_timer_unset(n->loop, &n->timer);
  n->state = CONN_LINGERING;
  n->left = 0;
  n->waited = 1;
  ca_conn_receive(n);
  if (n->state == CONN_LINGERING) setclosetimer(n, 1);
}


static void onshutdown (uv_shutdown_t *req, int status) {
  Conn *n = container_of(req, Conn, req.shutdown);
  n->shutting = false;
  if (status < 0 && n->state == CONN_OPEN && n->writeerr == 0)
    n->writeerr = status;
  checklame(n);
  advance(n);
}


/* Do what comes next, now that something has changed. */
static void advance (Conn *n) {
  bool closing = n->state == CONN_FLUSHING;
  if (!closing && n->state != CONN_OPEN) return;
  if (closing && (n->writeerr != 0 || n->readerr != 0)) {
    if (ca_conn_unwritten(n) > 0 && n->writeerr == 0) n->writeerr = n->readerr;
    end(n);
    return;
  }
  if (n->writing || n->shutting) return;
  if ((closing || n->wanteof) && !n->shut) {
    n->shut = true;
    int status = uv_shutdown(&n->req.shutdown, &n->uv.stream, onshutdown);
    n->shutting = status == 0;
    if (n->shutting) return;
  }
  if (!closing) return;
  if (n->eof || delivered(n)) end(n);
  else linger(n);
}


void ca_conn_close (Conn *n, bool hasty) {
  if (n->state == CONN_NEW) {
    ca_conn_abort(n);
    return;
  }
  if (hasty && n->state == CONN_FLUSHING) n->hasty = true;
  else if (n->state == CONN_OPEN) {
    n->state = CONN_FLUSHING;
    n->hasty = hasty;
    wakereader(n);
    ca_buffer_free(coreof(n), &n->in);
    if (n->writing) ca_conn_receive(n);  /* to see whether the peer goes away */
    advance(n);
  }
  if (n->hasty && n->state == CONN_FLUSHING) {
    n->left = ca_conn_unwritten(n);
    n->waited = 0;
    setclosetimer(n, LINGERTIME / 4);
  }
}


void ca_conn_forget (Conn *n) {
  if (ca_conn_unwritten(n) > 0 || !delivered(n)) ca_conn_close(n, true);
  else if (n->state == CONN_OPEN) end(n);       /* frees the descriptor */
}

/* }====================================================== */


/* {=======================================================
** Receiving
** ======================================================== */

static void pausereading (Conn *n) {
  uv_read_stop(&n->uv.stream);
  n->reading = false;
}


static void pausewhenfull (Conn *n) {
  if (n->reading && ca_buffer_length(&n->in) > 2 * n->limit) pausereading(n);
}


/* Has the read whose turn it is got what it wants, or all it can get? */
static bool satisfied (Conn *n) {
  return n->eof || n->readerr != 0 || n->state != CONN_OPEN ||
         ca_want_met(n->want, &n->in, n->limit);
}


/* How many bytes are welcome at once: what a read waits for, or a chunk. */
static size_t welcome (const Conn *n) {
  if (n->parked == NULL || n->want->kind != WANT_EXACTLY) return n->chunk;
  size_t rest = n->want->n - ca_buffer_length(&n->in);
  return rest > n->chunk ? rest : n->chunk;
}


/* Is there a read that has enough, but has not run yet? What comes after
   can wait until it has made room. */
static bool isready (const Conn *n) {
  return n->want != NULL && n->parked == NULL && n->state == CONN_OPEN &&
         ca_buffer_length(&n->in) >= n->limit;
}


/*
** libuv asks where to put what has come. The buffer grows no faster than by
** what has come already: how much a read waits for may be the peer's word,
** and a lie.
*/
static void onalloc (uv_handle_t *handle, size_t suggested, uv_buf_t *buf) {
  Conn *n = container_of(handle, Conn, uv.handle);
  size_t most = welcome(n), room = ca_buffer_length(&n->in);
  (void)suggested;
  buf->len = 0;
  if (isready(n)) return;
  if (room < n->chunk) room = n->chunk;
  if (room > most) room = most;
  buf->base = ca_buffer_reserve(coreof(n), &n->in, room);
  if (buf->base == NULL) return;
  room = ca_buffer_room(&n->in);
  buf->len = room < most ? room : most;
}


/* While closing input is dropped; its end ends the waiting. */
static void dropinput (Conn *n, ssize_t nread) {
  if (nread >= 0) {
    n->left += n->state == CONN_LINGERING ? (size_t)nread : 0;
    if (n->state == CONN_LINGERING && n->left > LINGERBYTES) end(n);
    return;
  }
  n->reading = false;
  if (nread == UV_EOF) n->eof = true;
  else n->readerr = (int)nread;
  if (n->readerr != 0 && n->writeerr == 0 && !delivered(n))
    n->writeerr = n->readerr;
  if (n->state == CONN_LINGERING) end(n);
  else advance(n);
}


static void onread (uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf) {
  (void)buf;
  Conn *n = container_of(stream, Conn, uv.stream);
  if (n->state != CONN_OPEN) {
    if (n->state != CONN_CLOSED) dropinput(n, nread);
    return;
  }
  if (nread > 0) {
    n->in.end += (size_t)nread;
    if ((size_t)nread >= n->chunk && n->chunk < MAXCHUNK) n->chunk *= 2;
  }
  else if (nread == 0 || (nread == UV_ENOBUFS && isready(n))) return;
  else {
    if (nread == UV_EOF) n->eof = true;
    else n->readerr = (int)nread;
    pausereading(n);
  }
  checklame(n);
  if (n->parked != NULL && satisfied(n)) wakereader(n);
  if (n->want == NULL) pausewhenfull(n);
}


/*
** Writing has failed, and the peer, who lacks the rest, may never answer: so
** reads fail as well, once they have given what is there. When the system
** has an error or the end to tell, it is told instead.
*/
static void checklame (Conn *n) {
  uv_os_fd_t fd;
  if (n->writeerr == 0 || n->readerr != 0 || n->eof) return;
  if (n->state != CONN_OPEN || uv_fileno(&n->uv.handle, &fd) != 0) return;
  struct pollfd readable = {fd, POLLIN, 0};
  if (poll(&readable, 1, 0) > 0) return;
  n->readerr = n->writeerr;
  pausereading(n);
  wakereader(n);
}


void ca_conn_receive (Conn *n) {
  if (n->reading || n->eof || n->readerr != 0) return;
  int status = uv_read_start(&n->uv.stream, onalloc, onread);
  if (status == 0) n->reading = true;
  else n->readerr = status;
}


bool ca_conn_want (Conn *n, Want *want) {
  n->want = want;
  if (satisfied(n)) return true;
  ca_conn_receive(n);
  checklame(n);
  return n->readerr != 0;
}


void ca_conn_unwant (Conn *n) {
  n->want = NULL;
  n->parked = NULL;
  if (n->state == CONN_OPEN) pausewhenfull(n);
}


void ca_conn_consume (Conn *n, size_t length) {
  if (length == 0) return;
  ca_buffer_drop(coreof(n), &n->in, length);
  if (!n->reading && ca_buffer_length(&n->in) <= n->limit) ca_conn_receive(n);
}

/* }====================================================== */


/* {=======================================================
** Sending
** ======================================================== */

static void startwrite (Conn *n);


static void onwrite (uv_write_t *req, int status) {
  Conn *n = container_of(req, Conn, write);
  Core *c = coreof(n);
  n->writing = false;
  ca_buffer_drop(c, &n->flight, ca_buffer_length(&n->flight));
  if (n->state == CONN_CLOSED) return;
  if (status < 0 && n->writeerr == 0) n->writeerr = status;
  if (n->writeerr != 0) ca_buffer_free(c, &n->out);
  else if (ca_buffer_length(&n->out) > 0) startwrite(n);
  setpaused(n);
  checklame(n);
  advance(n);
}


/* Send what is in 'out'. */
static void startwrite (Conn *n) {
  ca_buffer_swap(coreof(n), &n->flight, &n->out);
  uv_buf_t buf;
  buf.base = n->flight.data + n->flight.start;
  buf.len = ca_buffer_length(&n->flight);
  int status = uv_write(&n->write, &n->uv.stream, &buf, 1, onwrite);
  n->writing = status == 0;
  if (n->writing) return;
  n->writeerr = status;
  ca_buffer_free(coreof(n), &n->flight);
}


void ca_conn_send (Conn *n, const char *bytes, size_t length) {
  if (n->writeerr != 0) return;         /* nobody will get them */
  if (!n->writing) {
    uv_buf_t buf;
    memcpy(&buf.base, &bytes, sizeof bytes);    /* it is not written to */
    buf.len = length;
    int status = uv_try_write(&n->uv.stream, &buf, 1);
    if (status >= 0) {
      bytes += status;
      length -= (size_t)status;
    }
    else if (status != UV_EAGAIN && status != UV_ENOSYS) {
      n->writeerr = n->readerr != 0 ? n->readerr : status;
      setpaused(n);
      checklame(n);
      return;
    }
  }
  if (length == 0) return;
  if (!ca_buffer_add(coreof(n), &n->out, bytes, length))
    n->writeerr = UV_ENOMEM;    /* a part may be out: the rest must not be */
  else if (!n->writing) startwrite(n);
  setpaused(n);
  checklame(n);
}


void ca_conn_sendend (Conn *n) {
  n->wanteof = true;
  if (n->writeerr == 0) advance(n);
}


void ca_conn_setlimits (Conn *n, size_t high, size_t low) {
  n->high = high;
  n->low = low;
  setpaused(n);
}

/* }====================================================== */


int ca_conn_newtcp (Loop *l, size_t limit, int family, Conn **conn) {
  Conn *n = (Conn *)ca_malloc(l->core, sizeof(Conn));
  if (n == NULL) return UV_ENOMEM;
  memset(n, 0, sizeof *n);
  n->loop = l;
  n->limit = limit;
  n->high = CA_HIGHWATER;
  n->low = CA_HIGHWATER / 4;
  n->chunk = MINCHUNK;
  n->timer.fire = onclosetimer;
  ca_buffer_init(&n->in);
  ca_buffer_init(&n->out);
  ca_buffer_init(&n->flight);
  list_init(&n->drainers);
  list_init(&n->closers);
  list_init(&n->sibling);
  int status = uv_tcp_init_ex(&l->uv, &n->uv.tcp, (unsigned)family);
  if (status != 0) {
    ca_free(l->core, n, sizeof *n);
    return status;
  }
  ca_body_open(l, &n->body, closebody);
  *conn = n;
  return 0;
}


/* Watching it once, for no time, makes libuv's table large enough. */
int ca_conn_reserve (Conn *n) {
  int status = ca_reserve_handle(n->loop, &n->uv.handle);
  if (status != 0) return status;
  status = uv_read_start(&n->uv.stream, onalloc, onread);
  if (status == 0) uv_read_stop(&n->uv.stream);
  return status;
}
