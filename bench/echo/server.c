/*
** server.c - an echo server on libuv in C, as fast as libuv allows: what
** casync is measured against.
**
** Without an argument what comes goes back. With one, whole messages of
** that many bytes do: received where they are sent from, without a copy.
*/

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

typedef struct Peer {
  uv_tcp_t tcp;
  uv_write_t write;
  char *message;                /* of 'size' bytes, or NULL */
  size_t received;              /* bytes of it */
  char *rest;                   /* what the system did not take at once */
} Peer;

static size_t size;             /* of a message; 0: whatever comes */
static char shared[65536];


static void onclose (uv_handle_t *handle) {
  Peer *p = (Peer *)handle;
  free(p->message);
  free(p);
}


static void onalloc (uv_handle_t *handle, size_t suggested, uv_buf_t *buf) {
  Peer *p = (Peer *)handle;
  (void)suggested;
  *buf = size == 0 ? uv_buf_init(shared, sizeof shared)
                   : uv_buf_init(p->message + p->received,
                                 (unsigned)(size - p->received));
}


static void onread (uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf);


static void onwrite (uv_write_t *req, int status) {
  Peer *p = (Peer *)req->handle;
  free(p->rest);
  p->rest = NULL;
  if (status == 0) uv_read_start((uv_stream_t *)&p->tcp, onalloc, onread);
}


/* Send it back; what the system does not take is written later, and nothing
   is read meanwhile. */
static void answer (Peer *p, char *bytes, size_t length) {
  uv_stream_t *stream = (uv_stream_t *)&p->tcp;
  uv_buf_t buf = uv_buf_init(bytes, (unsigned)length);
  int n = uv_try_write(stream, &buf, 1);
  if (n < 0 && n != UV_EAGAIN) {
    uv_close((uv_handle_t *)stream, onclose);
    return;
  }
  if (n < 0) n = 0;
  if ((size_t)n == length) return;
  length -= (size_t)n;
  buf = uv_buf_init(bytes + n, (unsigned)length);
  if (size == 0) {
    p->rest = malloc(length);
    buf.base = memcpy(p->rest, bytes + n, length);
  }
  uv_read_stop(stream);
  uv_write(&p->write, stream, &buf, 1, onwrite);
}


static void onread (uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf) {
  Peer *p = (Peer *)stream;
  if (nread < 0) uv_close((uv_handle_t *)stream, onclose);
  else if (size == 0) answer(p, buf->base, (size_t)nread);
  else {
    p->received += (size_t)nread;
    if (p->received < size) return;
    p->received = 0;
    answer(p, p->message, size);
  }
}


static void onconnection (uv_stream_t *server, int status) {
  if (status != 0) return;
  Peer *p = calloc(1, sizeof *p);
  if (size > 0) p->message = malloc(size);
  uv_tcp_init(server->loop, &p->tcp);
  uv_accept(server, (uv_stream_t *)&p->tcp);
  uv_tcp_nodelay(&p->tcp, 1);
  uv_read_start((uv_stream_t *)&p->tcp, onalloc, onread);
}


int main (int argc, char **argv) {
  uv_loop_t *loop = uv_default_loop();
  uv_tcp_t server;
  struct sockaddr_in at;
  int length = sizeof at;
  if (argc > 1) size = (size_t)atol(argv[1]);
  uv_tcp_init(loop, &server);
  uv_ip4_addr("127.0.0.1", 0, &at);
  if (uv_tcp_bind(&server, (struct sockaddr *)&at, 0) != 0 ||
      uv_listen((uv_stream_t *)&server, 128, onconnection) != 0 ||
      uv_tcp_getsockname(&server, (struct sockaddr *)&at, &length) != 0)
    return 1;
  printf("port=%d\n", ntohs(at.sin_port));
  fflush(stdout);
  return uv_run(loop, UV_RUN_DEFAULT);
}
