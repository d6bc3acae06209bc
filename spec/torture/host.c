/*
** host.c - what casync does when there is no memory.
**
**   host [-n POINTS] [-s SEED] [-t SECONDS] PROGRAM MODE      all points
**   host [-t SECONDS] -p POINT PROGRAM MODE                   this one alone
**
** A point is one allocation of a program in 'programs': of Lua, of casync
** (whose memory comes from Lua's allocator) or of libuv, counted together
** from the moment the program starts. At each point a fresh process (a fork
** of one that has loaded everything) runs the program, and from there on
** allocations fail as the mode says:
**
**   once    this one (Lua collects garbage, and tries again)
**   twice   this one and the next
**   rest    this one and all others, until the program has ended
**   ever    likewise, and in 'lua_close' too
**
** With '-open' behind 'twice' and 'rest', the program's loop is left open,
** and afterwards, with memory again, must still be of use; otherwise the
** program closes it itself, while memory may be lacking.
**
** The point is passed when the program ends well, or by an error that tells
** of the lack of memory; when casync then works and every loop is closed;
** and when after 'lua_close' no byte, block, descriptor or thread is left.
** 'before.lua' has what of this is said in Lua.
**
** libuv aborts the process when the table of its descriptors cannot grow.
** Therefore casync asks for as much memory right before (src/reserve.c), and
** that is a point; the growing is one only where nobody has asked.
*/

#define _GNU_SOURCE             /* dladdr, memfd_create, pipe2 */

#include <dlfcn.h>
#include <execinfo.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <uv.h>

enum { MAXFD = 1024, MAXFRAMES = 48, MAXSTUCK = 5, TEXT = 300 };

typedef struct Mode {
  const char *name;
  long count;                   /* how many allocations fail */
  bool open;                    /* the loop stays open */
  bool closing;                 /* they fail in 'lua_close' too */
} Mode;

#define ALL (1L << 60)

static const Mode modes[] = {
  {"once", 1, false, false}, {"twice", 2, false, false},
  {"twice-open", 2, true, false}, {"rest", ALL, false, false},
  {"rest-open", ALL, true, false}, {"ever", ALL, false, true},
  {NULL, 0, false, false}
};

/* What a run tells; in memory that it shares with who started it. */
typedef struct Outcome {
  long points;                  /* allocations while the program ran */
  bool ok;                      /* it ended without an error */
  const char *stage;            /* how far it came */
  char wrong[TEXT];             /* "" when the point is passed */
  int nframes;                  /* where the failing allocation came from */
  void *frames[MAXFRAMES];
} Outcome;

static Outcome *outcome;
static const Mode *mode;
static int seconds = 20;        /* after which a run hangs */


/* {=======================================================
** Memory
** ======================================================== */

static long point;              /* the first that fails; 0: none */
static long count;              /* allocations so far */
static bool counting;
static long luabytes, luablocks, uvblocks;
static size_t asked;            /* of libuv, since Lua's last allocation */


/* Does the next allocation fail? */
static bool fails (void) {
  if (!counting) return false;
  count++;
  if (count == point && outcome->nframes == 0)
    outcome->nframes = backtrace(outcome->frames, MAXFRAMES);
  return point > 0 && count >= point && count - point < mode->count;
}


/* What is freed or new is filled, and what grows moves: so that who uses the
   old address, or reads what it has not written, is found. */
static void *luaalloc (void *ud, void *old, size_t oldsize, size_t size) {
  (void)ud;
  if (old == NULL) oldsize = 0;
  if (size > oldsize) {
    asked = 0;
    if (fails()) return NULL;
  }
  void *new = NULL;
  if (size > 0) {
    new = malloc(size);
    if (new == NULL) abort();
    size_t kept = size < oldsize ? size : oldsize;
    memset(new, 0xa7, size);
    if (kept > 0) memcpy(new, old, kept);
    luablocks++;
  }
  if (old != NULL) {
    memset(old, 0x5b, oldsize);
    free(old);
    luablocks--;
  }
  luabytes += (long)size - (long)oldsize;
  return new;
}


static void *uvmalloc (size_t size) {
  if (fails()) return NULL;
  asked = size;
  uvblocks++;
  return malloc(size);
}


static void *uvcalloc (size_t n, size_t size) {
  if (fails()) return NULL;
  uvblocks++;
  return calloc(n, size);
}


/* Only the table of descriptors is made larger: see above. */
static void *uvrealloc (void *old, size_t size) {
  bool granted = asked >= size;
  if (!granted && fails()) return NULL;
  if (old == NULL) uvblocks++;
  return realloc(old, size);
}


static void uvfree (void *block) {
  if (block != NULL) uvblocks--;
  free(block);
}

/* }====================================================== */


/* Lua makes its seed from the time and from addresses. With both always the
   same, so are the points of a program, and one can be tried alone. */
time_t time (time_t *now) {
  if (now != NULL) *now = 1;
  return 1;
}


static void fixaddresses (char **argv) {
  int old = personality(0xffffffff);
  if (old == -1 || (old & ADDR_NO_RANDOMIZE)) return;
  if (personality((unsigned long)old | ADDR_NO_RANDOMIZE) == -1) return;
  execv("/proc/self/exe", argv);
}


/* {=======================================================
** Running at one point
** ======================================================== */

static int countfds (void) {
  int n = 0;
  for (int fd = 0; fd < MAXFD; fd++)
    if (fcntl(fd, F_GETFD) >= 0) n++;
  return n;
}


static void wrong (const char *what, const char *detail) {
  if (outcome->wrong[0] != '\0') return;        /* the first is told */
  snprintf(outcome->wrong, TEXT, "%s%s%s", what, *detail ? ": " : "", detail);
}


static int interrupt (lua_State *L) {
  (void)L;
  raise(SIGINT);
  return 0;
}


static int makepipe (lua_State *L) {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) != 0) return luaL_error(L, "no pipe");
  lua_pushinteger(L, fds[0]);
  lua_pushinteger(L, fds[1]);
  return 2;
}


static int writebyte (lua_State *L) {
  lua_pushboolean(L, write((int)lua_tointeger(L, 1), "x", 1) == 1);
  return 1;
}


static int closefd (lua_State *L) {
  close((int)lua_tointeger(L, 1));
  return 0;
}


/* What the program has printed so far. */
static int printed (lua_State *L) {
  char text[4096];
  ssize_t n = pread(STDERR_FILENO, text, sizeof text, 0);
  lua_pushlstring(L, text, n > 0 ? (size_t)n : 0);
  return 1;
}


static const luaL_Reg functions[] = {
  {"interrupt", interrupt}, {"pipe", makepipe}, {"write", writebyte},
  {"close", closefd}, {"printed", printed}, {NULL, NULL}
};


/* Call field 'name' of the table of before.lua, at 1, with the argument on
   top. It gives nil, or what is wrong. */
static void ask (lua_State *L, const char *name) {
  lua_getfield(L, 1, name);
  lua_insert(L, -2);
  if (lua_pcall(L, 1, 1, 0) != LUA_OK)
    wrong(name, luaL_tolstring(L, -1, NULL));
  else if (!lua_isnil(L, -1))
    wrong(name, lua_tostring(L, -1));
}


/* Stack: before.lua's table, the program, the function to run with. */
static void runpoint (lua_State *L, long at) {
  int fds = countfds();
  outcome->stage = "in the program";
  point = at;
  counting = true;
  int status = lua_pcall(L, 1, 0, 0);
  outcome->points = count;
  counting = false;
  outcome->ok = status == LUA_OK;
  outcome->stage = "in the error";
  if (status != LUA_OK) ask(L, "outcome");
  outcome->stage = "afterwards";
  if (!mode->closing) {
    lua_pushboolean(L, mode->open);
    ask(L, "afterwards");
  }
  outcome->stage = "in lua_close";
  lua_settop(L, 0);
  counting = mode->closing;
  lua_close(L);
  counting = false;
  uv_library_shutdown();
  outcome->stage = "at the end";
  char left[100];
  snprintf(left, sizeof left, "%ld bytes, %ld blocks, %ld of libuv, "
           "%d descriptors", luabytes, luablocks, uvblocks,
           countfds() - fds);
  if (luabytes != 0 || luablocks != 0 || uvblocks != 0 || countfds() != fds)
    wrong("left", left);
}


/* The process after the fork; what it prints goes to 'output'. */
static void child (lua_State *L, long at, int output) {
  dup2(output, STDERR_FILENO);
  dup2(output, STDOUT_FILENO);
  alarm((unsigned)seconds);
  runpoint(L, at);
  fflush(NULL);
  _exit(0);
}


static bool passed (void) {
  return outcome->wrong[0] == '\0';
}


static void collect (int status) {
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
    wrong("HANG", outcome->stage);
  else if (WIFSIGNALED(status)) {
    wrong("CRASH", strsignal(WTERMSIG(status)));
    strncat(outcome->wrong, " ", TEXT - strlen(outcome->wrong) - 1);
    strncat(outcome->wrong, outcome->stage,
            TEXT - strlen(outcome->wrong) - 1);
  }
  else if (WEXITSTATUS(status) != 0)
    wrong("EXIT", outcome->stage);
}


/* Run the program with this point failing; 0: with none. */
static void try (lua_State *L, long at, int output) {
  memset(outcome, 0, sizeof *outcome);
  fflush(NULL);
  if (ftruncate(output, 0) != 0 || lseek(output, 0, SEEK_SET) != 0)
    perror("output");
  pid_t pid = fork();
  if (pid == 0) child(L, at, output);
  int status;
  if (pid < 0 || waitpid(pid, &status, 0) != pid) {
    perror("host");
    exit(2);
  }
  collect(status);
}

/* }====================================================== */


/* {=======================================================
** All points, or one
** ======================================================== */

/* Pseudo-random numbers (xorshift): the same for a seed on every system. */
static uint64_t dice;


static void shake (const char *text) {
  for (; *text; text++) dice = (dice ^ (uint64_t)*text) * 1099511628211u;
}


static uint64_t roll (void) {
  dice ^= dice << 13;
  dice ^= dice >> 7;
  dice ^= dice << 17;
  return dice;
}


/* Try every point, or 'wanted' of them, and print those that are not
   passed, and a line with the sums. True when all are passed. */
static bool sweep (lua_State *L, const char *name, long wanted, int output) {
  long tried = 0, well = 0, failed = 0, stuck = 0;
  try(L, 0, output);
  long total = outcome->points;
  shake(name);
  shake(mode->name);
  if (!passed() || !outcome->ok) {
    printf("%s %s 0: with all memory: %s\n", name, mode->name,
           passed() ? "it fails" : outcome->wrong);
    return false;
  }
  for (long at = 1; stuck < MAXSTUCK; at++) {
    if (wanted > 0) {
      if (at > total) break;
      uint64_t left = (uint64_t)(total - at + 1);
      if ((long)(roll() % left) >= wanted - tried) continue;
    }
    try(L, at, output);
    bool ended = outcome->points > 0;
    if (ended && outcome->points < at) break;   /* there are no more */
    tried++;
    if (passed()) {
      well += outcome->ok;
      continue;
    }
    printf("%s %s %ld: %s\n", name, mode->name, at, outcome->wrong);
    failed++;
    stuck += !ended;
  }
  printf("%s %s: %ld points, %ld ended well, %ld by an error, %ld failed\n",
         name, mode->name, tried, well, tried - well - failed, failed);
  return failed == 0;
}


/* Print where the failing allocation came from. */
static void printframes (void) {
  for (int i = 1; i < outcome->nframes; i++) {
    Dl_info info;
    char command[600];
    if (!dladdr(outcome->frames[i], &info) || info.dli_fname == NULL) continue;
    if (strstr(info.dli_fname, "/liblua")) continue;    /* has no names */
    size_t offset = (size_t)((char *)outcome->frames[i] -
                             (char *)info.dli_fbase);
    snprintf(command, sizeof command,
             "addr2line -f -p -s -e '%s' %#zx || echo '%s+%#zx'",
             info.dli_fname, offset - 1, info.dli_fname, offset);
    fflush(stdout);
    if (system(command) != 0) continue;
  }
}


static bool one (lua_State *L, const char *name, long at, int output) {
  try(L, at, output);
  char text[4096];
  ssize_t n;
  for (off_t from = 0; (n = pread(output, text, sizeof text, from)) > 0;
       from += n) fwrite(text, 1, (size_t)n, stdout);
  printframes();
  printf("%s %s %ld: %s\n", name, mode->name, at,
         !passed() ? outcome->wrong : outcome->ok ? "ended well"
                                                  : "ended by an error");
  return passed();
}

/* }====================================================== */


/* Push the table of before.lua, the program, and what it runs with. */
static void loadprogram (lua_State *L, const char *file) {
  luaL_openlibs(L);
  luaL_newlib(L, functions);
  lua_setglobal(L, "host");
  if (luaL_dofile(L, "spec/torture/before.lua") ||
      luaL_dofile(L, file)) {
    fprintf(stderr, "%s\n", lua_tostring(L, -1));
    exit(2);
  }
  lua_pushnil(L);
  ask(L, "prepare");
  lua_settop(L, 2);
  lua_getfield(L, 1, mode->open ? "run_open" : "run");
}


static int usage (void) {
  fprintf(stderr, "host [-n POINTS] [-s SEED] [-t SECONDS] [-p POINT] "
                  "PROGRAM MODE\n");
  return 2;
}


int main (int argc, char **argv) {
  long wanted = 0, at = 0;
  int option;
  dice = 14695981039346656037u;
  fixaddresses(argv);
  while ((option = getopt(argc, argv, "n:p:s:t:")) != -1) {
    long value = option == '?' ? 0 : atol(optarg);
    if (option == 'n') wanted = value;
    else if (option == 'p') at = value;
    else if (option == 's') dice += (uint64_t)value;
    else if (option == 't') seconds = (int)value;
    else return usage();
  }
  if (argc - optind != 2) return usage();
  const char *name = argv[optind];
  for (mode = modes; mode->name; mode++)
    if (strcmp(mode->name, argv[optind + 1]) == 0) break;
  if (mode->name == NULL) return usage();
  char file[200];
  snprintf(file, sizeof file, "spec/torture/programs/%s.lua", name);

  outcome = mmap(NULL, sizeof *outcome, PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  int output = memfd_create("output", MFD_CLOEXEC);
  if (outcome == MAP_FAILED || output < 0) return usage();
  signal(SIGINT, SIG_DFL);              /* ignored in the background */
  void *frames[2];
  backtrace(frames, 2);                 /* loads what it needs */
  uv_replace_allocator(uvmalloc, uvrealloc, uvcalloc, uvfree);
  lua_State *L = lua_newstate(luaalloc, NULL);
  loadprogram(L, file);
  bool good = at > 0 ? one(L, name, at, output)
                     : sweep(L, name, wanted, output);
  return good ? 0 : 1;
}
