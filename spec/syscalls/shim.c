/*
** shim.c - preloaded by run.lua, for what strace cannot do.
**
**   SHIM_BUFFER=n      sockets with so small a send buffer, so that writes
**                      take a part and then say EAGAIN
**   SHIM_PIECE=n       at most n bytes in each write to and read from a socket
**   SHIM_INTERVAL=us   SIGALRM so often, with a handler and without SA_RESTART
*/

#define _GNU_SOURCE

#include <dlfcn.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

static size_t piece;
static int buffer;
static int (*truesocket) (int, int, int);
static int (*trueaccept4) (int, struct sockaddr *, socklen_t *, int);
static ssize_t (*truewrite) (int, const void *, size_t);
static ssize_t (*trueread) (int, void *, size_t);
static ssize_t (*truewritev) (int, const struct iovec *, int);


static void onalarm (int signal) {
  (void)signal;
}


__attribute__((constructor)) static void start (void) {
  *(void **)&truewrite = dlsym(RTLD_NEXT, "write");
  *(void **)&trueread = dlsym(RTLD_NEXT, "read");
  *(void **)&truewritev = dlsym(RTLD_NEXT, "writev");
  *(void **)&truesocket = dlsym(RTLD_NEXT, "socket");
  *(void **)&trueaccept4 = dlsym(RTLD_NEXT, "accept4");
  const char *text = getenv("SHIM_BUFFER");
  if (text != NULL) buffer = atoi(text);
  text = getenv("SHIM_PIECE");
  if (text != NULL) piece = (size_t)atol(text);
  text = getenv("SHIM_INTERVAL");
  if (text == NULL) return;
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = onalarm;
  sigaction(SIGALRM, &action, NULL);
  struct itimerval interval = {{0, atol(text)}, {0, atol(text)}};
  setitimer(ITIMER_REAL, &interval, NULL);
}


static int small (int fd) {
  if (fd >= 0 && buffer > 0)
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
  return fd;
}


int socket (int domain, int type, int protocol) {
  return small(truesocket(domain, type, protocol));
}


int accept4 (int fd, struct sockaddr *peer, socklen_t *size, int flags) {
  return small(trueaccept4(fd, peer, size, flags));
}


static size_t limit (int fd, size_t size) {
  struct stat info;
  if (piece == 0 || size <= piece) return size;
  if (fstat(fd, &info) != 0 || !S_ISSOCK(info.st_mode)) return size;
  return piece;
}


ssize_t write (int fd, const void *bytes, size_t size) {
  return truewrite(fd, bytes, limit(fd, size));
}


ssize_t read (int fd, void *bytes, size_t size) {
  return trueread(fd, bytes, limit(fd, size));
}


ssize_t writev (int fd, const struct iovec *parts, int count) {
  if (count > 0 && limit(fd, parts[0].iov_len) < parts[0].iov_len)
    return write(fd, parts[0].iov_base, parts[0].iov_len);
  return truewritev(fd, parts, count);
}
