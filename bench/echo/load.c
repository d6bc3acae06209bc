/*
** load.c - the load of the echo benchmark, the same for every server.
**
**   load CONNECTIONS SIZE COUNT COMMAND...
**
** Starts the server COMMAND, which prints 'port=N' and listens there on
** 127.0.0.1. Opens the connections; each sends a message of SIZE bytes, waits
** until all of it has come back, compares every byte, and sends the next
** one, COUNT messages in all, after a tenth as many that are not counted.
** Prints 'ns' (processor time of the server for one message, all its
** threads, user and system), 'user_ns' (what of it was not the kernel's) and
** 'rps' (messages a second). Linux only.
*/

#define _GNU_SOURCE

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE = 120 };        /* seconds */

typedef struct Connection {
  int fd;
  const char *message;          /* the one on its way */
  size_t sent, received;        /* bytes of it */
} Connection;

static size_t size;
static long count, begun, done;
static char *bytes, *scratch;   /* random bytes, twice as many as a message */
static pid_t server;


static void fail (const char *what) {
  fprintf(stderr, "load: %s (%s)\n", what, strerror(errno));
  if (server > 0) kill(-server, SIGKILL);
  exit(1);
}


static void ontime (int signal) {
  (void)signal;
  errno = ETIME;
  fail("the server does not answer any more");
}


/* Start the server; the end of its output from which its port is read. */
static FILE *start (char **command) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) fail("pipe");
  server = fork();
  if (server < 0) fail("fork");
  if (server == 0) {
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(ends[1], STDOUT_FILENO);
    execvp(command[0], command);
    fprintf(stderr, "load: cannot start %s (%s)\n", command[0],
            strerror(errno));
    _exit(127);
  }
  setpgid(server, server);
  close(ends[1]);
  return fdopen(ends[0], "r");
}


static int readport (FILE *output) {
  char line[200];
  int port;
  while (fgets(line, sizeof line, output) != NULL)
    if (sscanf(line, "port=%d", &port) == 1) return port;
  errno = 0;
  fail("the server has printed no port");
  return 0;
}


static int64_t nanoseconds (clockid_t clock) {
  struct timespec t;
  if (clock_gettime(clock, &t) != 0) fail("clock_gettime");
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}


/* Processor time in user space, in ticks of the system. */
static long userticks (void) {
  char path[50];
  long ticks = 0;
  snprintf(path, sizeof path, "/proc/%d/stat", (int)server);
  FILE *f = fopen(path, "r");
  if (f == NULL || fscanf(f, "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u "
                             "%*u %*u %*u %ld", &ticks) != 1) fail(path);
  fclose(f);
  return ticks;
}


static void sendmore (Connection *c) {
  while (c->sent < size) {
    ssize_t n = send(c->fd, c->message + c->sent, size - c->sent,
                     MSG_NOSIGNAL);
    if (n < 0 && errno == EAGAIN) return;
    if (n < 0) fail("send");
    c->sent += (size_t)n;
  }
}


static void sendnext (Connection *c) {
  c->message = bytes + (size_t)begun * 61 % size;
  c->sent = c->received = 0;
  begun++;
  sendmore(c);
}


/* Take what has come back; false when the socket has no more. */
static bool receive (Connection *c) {
  ssize_t n = recv(c->fd, scratch, size - c->received, 0);
  if (n < 0 && errno == EAGAIN) return false;
  if (n < 0) fail("recv");
  if (n == 0) fail("the server has closed a connection");
  if (memcmp(scratch, c->message + c->received, (size_t)n) != 0)
    fail("what came back is not what was sent");
  c->received += (size_t)n;
  return true;
}


/* Send messages until 'until' of them have come back. */
static void run (int epoll, Connection *all, int n, long until) {
  struct epoll_event events[256];
  count = until;
  for (int i = 0; i < n && begun < count; i++) sendnext(&all[i]);
  while (done < until) {
    int nevents = epoll_wait(epoll, events, 256, -1);
    if (nevents < 0 && errno != EINTR) fail("epoll_wait");
    for (int i = 0; i < nevents; i++) {
      Connection *c = events[i].data.ptr;
      if (events[i].events & EPOLLOUT) sendmore(c);
      while (c->received < c->sent && receive(c))
        if (c->received == size) {
          done++;
          if (begun < count) sendnext(c);
          break;
        }
    }
  }
}


int main (int argc, char **argv) {
  if (argc < 5) {
    fprintf(stderr, "usage: load CONNECTIONS SIZE COUNT COMMAND...\n");
    return 2;
  }
  int n = atoi(argv[1]);
  size = (size_t)atol(argv[2]);
  long wanted = atol(argv[3]);
  Connection *all = calloc((size_t)n, sizeof *all);
  bytes = malloc(2 * size);
  scratch = malloc(size);
  for (size_t i = 0; i < 2 * size; i++) bytes[i] = (char)(random() >> 7);
  signal(SIGALRM, ontime);
  alarm(PATIENCE);

  int port = readport(start(argv + 4));
  int epoll = epoll_create1(EPOLL_CLOEXEC);
  for (int i = 0; i < n; i++) {
    struct sockaddr_in to = {.sin_family = AF_INET};
    to.sin_port = htons((uint16_t)port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int on = 1;
    all[i].sent = all[i].received = size;       /* nothing is on its way */
    all[i].fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(all[i].fd, (struct sockaddr *)&to, sizeof to) != 0)
      fail("connect");
    setsockopt(all[i].fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    fcntl(all[i].fd, F_SETFL, O_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN | EPOLLET};
    if (size > 4096) event.events |= EPOLLOUT;
    event.data.ptr = &all[i];
    epoll_ctl(epoll, EPOLL_CTL_ADD, all[i].fd, &event);
  }
  run(epoll, all, n, wanted / 10);

  clockid_t clock;
  if (clock_getcpuclockid(server, &clock) != 0) fail("clock_getcpuclockid");
  long warm = done;
  long user = userticks();
  int64_t used = nanoseconds(clock), began = nanoseconds(CLOCK_MONOTONIC);
  run(epoll, all, n, warm + wanted);
  double took = (double)(nanoseconds(CLOCK_MONOTONIC) - began);
  used = nanoseconds(clock) - used;
  user = userticks() - user;
  printf("ns=%.1f\nuser_ns=%.1f\nwall=%.1f\nrps=%.0f\n",
         (double)used / (double)wanted,
         (double)user * 1e9 / (double)sysconf(_SC_CLK_TCK) / (double)wanted,
         took / (double)wanted, (double)wanted / took * 1e9);

  kill(-server, SIGTERM);
  waitpid(server, NULL, 0);
  return 0;
}
