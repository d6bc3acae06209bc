# casync: asyncio for Lua 5.4, in C on libuv. 'make help' lists the targets.

# ---- what can be overridden --------------------------------------------

CC ?= cc
ifeq ($(origin CC),default)
CC = cc
endif
CFLAGS ?= -O2 -g
LDFLAGS ?=
PKG_CONFIG ?= pkg-config
PREFIX ?= /usr/local
DESTDIR ?=
BUILD ?= build
SPECS ?= spec
BUSTED_FLAGS ?=

LUA ?= $(shell for l in lua5.4 lua54 lua-5.4 lua; do \
  command -v $$l >/dev/null 2>&1 && \
  [ "`$$l -e 'io.write(_VERSION)' 2>/dev/null`" = "Lua 5.4" ] && \
  { echo $$l; break; }; done)
ifeq ($(strip $(LUA)),)
LUA = lua5.4
endif

LUA_PC := $(shell for p in lua5.4 lua-5.4 lua54 lua; do \
  $(PKG_CONFIG) --exists "$$p >= 5.4" 2>/dev/null && { echo $$p; break; }; done)
LUA_CFLAGS ?= $(if $(LUA_PC),$(shell $(PKG_CONFIG) --cflags $(LUA_PC)))
LIBUV_CFLAGS ?= $(shell $(PKG_CONFIG) --cflags libuv 2>/dev/null)
LIBUV_LIBS ?= $(shell $(PKG_CONFIG) --libs libuv 2>/dev/null)

LUA_VERSION = 5.4
LUADIR = $(PREFIX)/share/lua/$(LUA_VERSION)
LIBDIR = $(PREFIX)/lib/lua/$(LUA_VERSION)
INCDIR = $(PREFIX)/include

# ---- what differs between systems --------------------------------------

# The module stays loaded until the process ends: it hands functions to
# libc and to libuv's threads, and leak reports then know its names.
ifeq ($(shell uname -s),Darwin)
SHARED = -bundle -undefined dynamic_lookup
else
SHARED = -shared -Wl,-z,nodelete
# A hundred calls of Lua's functions make a task: no jump in between.
CALLS = -fno-plt
endif

# ---- build -------------------------------------------------------------

WARN = -Wall -Wextra -pedantic -Wshadow -Wconversion -Wno-sign-conversion \
  -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wwrite-strings \
  -Wundef
ALL_CFLAGS = -std=gnu11 -fPIC -fvisibility=hidden $(CALLS) $(WARN) $(LUA_CFLAGS) \
  $(LIBUV_CFLAGS) $(CFLAGS)

SOURCES = $(sort $(wildcard src/*.c))
OBJECTS = $(SOURCES:src/%.c=$(BUILD)/obj/%.o)
CORE = $(BUILD)/casync/core.so
HOST = $(BUILD)/hosts/threads
COMMAND = $(CC) $(ALL_CFLAGS) $(SHARED) $(LDFLAGS) $(LIBUV_LIBS)

# 'make V=1' shows the commands.
says = $(if $(V),,@echo "$(1) $@"; )

all: $(CORE)

$(CORE): $(OBJECTS)
	@mkdir -p $(@D)
	$(call says,LINK)$(CC) $(CFLAGS) $(SHARED) $(LDFLAGS) -o $@ $(OBJECTS) $(LIBUV_LIBS)

$(BUILD)/obj/%.o: src/%.c $(BUILD)/command | need-build
	@mkdir -p $(@D)
	$(call says,CC)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# Changes when the compiler or its options do, so that all is built again.
$(BUILD)/command: FORCE
	@mkdir -p $(@D)
	@echo '$(COMMAND)' | cmp -s - $@ || echo '$(COMMAND)' > $@

-include $(OBJECTS:.o=.d)

need-build:
	@LUA="$(LUA)" PKG_CONFIG="$(PKG_CONFIG)" CC="$(CC)" \
	 LUA_CFLAGS="$(LUA_CFLAGS)" LIBUV_LIBS="$(LIBUV_LIBS)" \
	 sh tools/deps.sh --check build

FORCE:

# ---- running -----------------------------------------------------------

# Finds the Lua modules here and the core in $(BUILD); the children that
# specs start inherit it.
ROOT = $(CURDIR)
RUNENV = LUA="$(LUA)" CASYNC_BUILD="$(BUILD)" \
  LUA_PATH="$(ROOT)/lua/?.lua;$(ROOT)/lua/?/init.lua;;" \
  LUA_CPATH="$(ROOT)/$(BUILD)/?.so;;"
BUSTED = spec/support/busted.lua --ignore-lua $(BUSTED_FLAGS)

# What deps.sh installs is seen only by a make started afterwards.
demo:
	@sh tools/deps.sh build
	@$(MAKE) --no-print-directory all
	@$(RUNENV) $(LUA) examples/downloader.lua

test:
	@sh tools/deps.sh test
	@$(MAKE) --no-print-directory spec

spec: all $(HOST)
	@$(RUNENV) $(LUA) $(BUSTED) $(SPECS)

deps:
	@sh tools/deps.sh all

# ---- measuring: bench/README.md ----------------------------------------

RESULTS = $(BUILD)/bench/results.lua

bench: all
	@$(RUNENV) $(LUA) bench/run.lua $(BENCH_FLAGS)

# From the numbers of the last 'make bench'.
bench-readme: $(RESULTS)
	$(LUA) bench/report.lua $(RESULTS) README.md bench/README.md

bench-plots: $(RESULTS)
	$(LUA) bench/plots.lua $(RESULTS) bench/plots

$(RESULTS):
	@$(MAKE) --no-print-directory bench

bench-instructions: all
	@$(RUNENV) sh bench/instructions.sh $(BENCH_FLAGS)

bench-deps:
	@sh tools/deps.sh bench

# ---- variants: each has a directory of its own --------------------------

variant = $(MAKE) --no-print-directory BUILD=$(1) CFLAGS="$(2)" all
SANITIZE = -O1 -g -fno-omit-frame-pointer

# What takes too long under a checker that slows the process down: specs that
# start other programs, those with a hundred thousand tasks, and those that
# fill the C stack.
INPROCESS = --exclude-tags=programs,slow --filter-out=hundred.thousand \
  --filter-out=C.stack.overflow

asan:
	@$(call variant,build-asan,$(SANITIZE) -fsanitize=address)
	@$(call env,build-asan) CASYNC_TIMESCALE=4 \
	 ASAN_OPTIONS=detect_leaks=1:halt_on_error=1:$(ASAN_OPTIONS) \
	 CASYNC_PRELOAD="`$(CC) -print-file-name=libasan.so`" \
	 sh tools/preload.sh $(LUA) $(BUSTED) $(SPECS)

ubsan:
	@$(call variant,build-ubsan,$(SANITIZE) -fsanitize=undefined -fno-sanitize-recover=all)
	@$(call env,build-ubsan) CASYNC_TIMESCALE=4 UBSAN_OPTIONS=print_stacktrace=1 \
	 $(LUA) $(BUSTED) $(SPECS)

tsan:
	@$(call variant,build-tsan,$(SANITIZE) -fsanitize=thread)
	@$(call env,build-tsan) CASYNC_TIMESCALE=10 \
	 CASYNC_PRELOAD="`$(CC) -print-file-name=libtsan.so`" \
	 sh tools/preload.sh $(LUA) $(BUSTED) $(INPROCESS) $(SPECS)

VALGRIND ?= valgrind -q --error-exitcode=99 --leak-check=full \
  --errors-for-leak-kinds=definite --show-leak-kinds=definite \
  --keep-debuginfo=yes --num-callers=30
valgrind:
	@$(call variant,build-valgrind,-O1 -g)
	@$(call env,build-valgrind) CASYNC_TIMESCALE=50 \
	 $(VALGRIND) $(LUA) $(BUSTED) $(INPROCESS) $(SPECS)

# An aggressive collector finds what is not anchored, both ways it works.
gc: all
	@$(call env,$(BUILD)) CASYNC_TIMESCALE=20 CASYNC_GC=incremental \
	 $(LUA) $(BUSTED) $(INPROCESS) $(SPECS)
	@$(call env,$(BUILD)) CASYNC_TIMESCALE=20 CASYNC_GC=generational \
	 $(LUA) $(BUSTED) $(INPROCESS) $(SPECS)

# ---- torture: every allocation fails once: see spec/torture/host.c --------

# POINTS=n: some n of each program and mode, chosen by SEED. PROGRAMS="..."
# and MODES="...": only these. POINT=n with one of each: this point alone.
# A run that takes longer than LIMIT seconds hangs. RUN: a checker.
POINTS ?= 0
SEED ?= $(shell date +%s)
POINT ?=
LIMIT ?= 20
RUN ?=
TORTURE = $(BUILD)/torture
LUA_LIBS ?= $(if $(LUA_PC),$(shell $(PKG_CONFIG) --libs $(LUA_PC)))

$(TORTURE): spec/torture/host.c $(BUILD)/command
	$(call says,CC)$(CC) $(filter-out -fvisibility=hidden,$(ALL_CFLAGS)) \
	  -Wl,-E -o $@ $< $(LUA_LIBS) $(LIBUV_LIBS)

torture: all $(TORTURE)
	@$(if $(POINT), \
	  $(call env,$(BUILD)) $(RUN) $(TORTURE) -t $(LIMIT) -p $(POINT) \
	    $(PROGRAMS) $(MODES), \
	  echo "POINTS=$(POINTS) SEED=$(SEED)"; \
	  $(call env,$(BUILD)) PROGRAMS="$(PROGRAMS)" MODES="$(MODES)" RUN="$(RUN)" \
	    sh spec/torture/sweep.sh $(TORTURE) -n $(POINTS) -s $(SEED) \
	    -t $(LIMIT))
# ---- random programs ---------------------------------------------------

# 'make schedules FIRST=S SEEDS=N' runs the seeds S to S + N - 1; a failure
# tells its seed. SCHEDULES_CFLAGS and CASYNC_PRELOAD are for a checker.
FIRST ?= 1
SEEDS ?= 20000
CLOCK = $(BUILD)/schedules/clock.so

$(CLOCK): spec/schedules/clock.c | need-build
	@mkdir -p $(@D)
	$(call says,CC)$(CC) -std=gnu11 -O2 -fPIC -Wall -Wextra $(LUA_CFLAGS) $(SHARED) -o $@ $<

schedules: all $(CLOCK)
	@$(RUNENV) $(LUA) spec/schedules/main.lua $(FIRST) $(SEEDS)

# ---- many states in many threads ----------------------------------------

LUA_LIBS ?= $(if $(LUA_PC),$(shell $(PKG_CONFIG) --libs $(LUA_PC)))
THREADS ?= 16
STATES ?= 18

$(HOST): spec/hosts/threads.c | need-build
	@mkdir -p $(@D)
	$(call says,CC)$(CC) -std=gnu11 -Wall -Wextra $(LUA_CFLAGS) $(LIBUV_CFLAGS) $(CFLAGS) -o $@ $< $(LUA_LIBS) $(LIBUV_LIBS) -lpthread

# 'make threads THREADS=N STATES=M', also of a variant: BUILD=... CFLAGS=...
threads: all $(HOST)
	@$(RUNENV) $(HOST) spec/hosts/everything.lua $(THREADS) $(STATES)
# What a process holds must not grow when specs are run again. One thread
# for libuv's work, since each keeps memory of its own.
COUNTS = $(BUILD)/counts.so

$(COUNTS): spec/support/counts.c $(BUILD)/command
	$(call says,CC)$(CC) -std=gnu11 -O2 -fPIC -Wall -Wextra $(LUA_CFLAGS) \
	  $(SHARED) -o $@ $<

# The files of SPECS, for what runs them without busted: several processes
# at a time, which wait most of the time.
eachfile = find $(SPECS) -name '*_spec.lua' | sort | $(RUNENV) xargs -P 6 -n $(1)

leaks: all $(COUNTS)
	@$(call eachfile,8) env UV_THREADPOOL_SIZE=1 CASYNC_TIMESCALE=10 \
	 CASYNC_PRELOAD="$(ROOT)/$(COUNTS)" sh tools/preload.sh $(LUA) \
	 spec/support/leaks.lua

# A cancellation at each await of each spec; at some with CASYNC_SAMPLE=n.
cancel-everywhere: all $(COUNTS)
	@$(call eachfile,1) $(LUA) spec/support/cancelling.lua

# The same where data races and leaks show.
threads-tsan:
	@$(MAKE) --no-print-directory BUILD=build-tsan \
	 CFLAGS="$(SANITIZE) -fsanitize=thread" threads

threads-asan:
	@ASAN_OPTIONS=detect_leaks=1:$(ASAN_OPTIONS) \
	 $(MAKE) --no-print-directory BUILD=build-asan \
	 CFLAGS="$(SANITIZE) -fsanitize=address" threads

coverage:
	@command -v gcovr >/dev/null 2>&1 || \
	 { echo "'make coverage' needs gcovr: please install it" >&2; exit 1; }
	@$(call variant,build-coverage,-O0 -g --coverage -include tools/coverage.h)
	@find build-coverage -name '*.gcda' -exec rm -f {} +
	@rm -f build-coverage/lua.hits
	-@$(call env,build-coverage) CASYNC_TIMESCALE=10 \
	 CASYNC_COVERAGE="$(ROOT)/build-coverage/lua.hits" \
	 LUA_INIT="@$(ROOT)/tools/coverage.lua" $(LUA) $(BUSTED) \
	 --filter-out=At.scale --filter-out=hundred.thousand $(SPECS)
	@gcovr -r . --object-directory build-coverage --filter src/ \
	 --exclude-branches-by-pattern '\s*assert\(' \
	 --xml-pretty --xml build-coverage/c.xml
	@$(LUA) tools/uncovered.lua build-coverage/c.xml build-coverage/lua.hits

# ---- long tests --------------------------------------------------------

$(BUILD)/shim.so: spec/syscalls/shim.c | need-build
	@mkdir -p $(@D)
	$(call says,CC)$(CC) -std=gnu11 -Wall -Wextra -fPIC -O1 $(SHARED) -o $@ $< -ldl

$(BUILD)/meter.so: spec/soak/meter.c | need-build
	@mkdir -p $(@D)
	$(call says,CC)$(CC) -std=gnu11 $(WARN) $(LUA_CFLAGS) -fPIC -O1 $(SHARED) -o $@ $<

# SYSCALLS="--sample 200", a word of the points' names, or "--replay POINT".
syscalls: all $(BUILD)/shim.so
	@$(RUNENV) $(LUA) spec/syscalls/run.lua $(SYSCALLS)

SOAK ?= 600
soak: all $(BUILD)/meter.so
	@$(RUNENV) $(LUA) spec/soak/run.lua $(SOAK)
# Planted bugs, each of which must turn its check red; WORDS='queue lock' for
# some, MUTANTS=4 for a sample that changes from day to day.
mutants: all
	@$(LUA) tools/mutants.lua $(WORDS)

env = $(subst $(BUILD)/?.so,$(1)/?.so,$(subst CASYNC_BUILD="$(BUILD)",CASYNC_BUILD="$(1)",$(RUNENV)))

# ---- checks ------------------------------------------------------------

LUAFILES = $(wildcard lua spec examples bench tools types)
LUACHECK ?= luacheck
CPPCHECK ?= cppcheck
CLANG_TIDY ?= clang-tidy

check: check-lua check-warnings check-cppcheck check-tidy check-layers

check-lua:
	$(LUACHECK) --quiet $(LUAFILES)

check-warnings:
	$(call variant,build-check,-O2 -Werror)
	@if command -v clang >/dev/null 2>&1; then \
	  echo "clang:"; \
	  $(MAKE) --no-print-directory CC=clang BUILD=build-check-clang \
	   CFLAGS="-O2 -Werror" all; \
	else echo "clang is not installed: its warnings are not checked"; fi

# Left out is what goes wrong here: 'uninitvar' takes what a do-while loop
# sets for unset, the others do not see that our functions can raise errors.
# gcc and clang-tidy look for the same.
check-cppcheck:
	@if command -v $(CPPCHECK) >/dev/null 2>&1; then \
	  echo "$(CPPCHECK) src"; \
	  $(CPPCHECK) --quiet --std=c11 --enable=warning,performance,portability \
	   --inline-suppr --suppress=missingInclude --suppress=missingIncludeSystem \
	   --suppress=uninitvar --suppress=nullPointerRedundantCheck \
	   --suppress=ctunullpointer --library=tools/cppcheck.cfg \
	   --error-exitcode=1 -Isrc src; \
	else echo "$(CPPCHECK) is not installed: not run"; fi

check-tidy:
	@if command -v $(CLANG_TIDY) >/dev/null 2>&1; then \
	  echo "$(CLANG_TIDY) src"; \
	  printf '%s\n' $(SOURCES) | xargs -P 2 -I @ $(CLANG_TIDY) --quiet \
	   --warnings-as-errors='*' @ -- -std=gnu11 -Isrc $(LUA_CFLAGS) \
	   $(LIBUV_CFLAGS) -include tools/noreturn.h 2>/dev/null; \
	else echo "$(CLANG_TIDY) is not installed: not run"; fi

check-layers:
	@$(RUNENV) $(LUA) $(BUSTED) spec/layers_spec.lua spec/packaging_spec.lua

# Write the lists of the rockspec anew, from what is in the tree.
rockspec:
	$(LUA) tools/rockspec.lua rockspec/casync-scm-1.rockspec

# ---- installing --------------------------------------------------------

LUAMODULES = $(patsubst lua/%,%,$(shell find lua -name '*.lua' 2>/dev/null | sort))
HEADERS = $(wildcard include/*.h)

install: all
	@for f in $(LUAMODULES); do \
	  d="$(DESTDIR)$(LUADIR)/`dirname $$f`"; \
	  mkdir -p "$$d" && install -m 644 "lua/$$f" "$$d/" || exit 1; \
	done
	@mkdir -p "$(DESTDIR)$(LIBDIR)/casync"
	install -m 755 $(CORE) "$(DESTDIR)$(LIBDIR)/casync/core.so"
	@for h in $(HEADERS); do \
	  mkdir -p "$(DESTDIR)$(INCDIR)" && \
	  install -m 644 $$h "$(DESTDIR)$(INCDIR)/" || exit 1; \
	done
	@echo "casync is installed under $(DESTDIR)$(PREFIX) for Lua $(LUA_VERSION)"

uninstall:
	@for f in $(LUAMODULES); do rm -f "$(DESTDIR)$(LUADIR)/$$f"; done
	@for h in $(notdir $(HEADERS)); do rm -f "$(DESTDIR)$(INCDIR)/$$h"; done
	rm -f "$(DESTDIR)$(LIBDIR)/casync/core.so"
	@rmdir "$(DESTDIR)$(LIBDIR)/casync" 2>/dev/null; \
	 find "$(DESTDIR)$(LUADIR)/casync" -depth -type d -empty \
	  -exec rmdir {} + 2>/dev/null; true

dist:
	git archive --format=tar.gz --prefix=casync-scm/ -o casync-scm.tar.gz HEAD

clean:
	rm -rf build build-* casync-scm.tar.gz

help:
	@echo "make             build into $(BUILD)/"
	@echo "make deps        install what is needed with the system's package manager"
	@echo "make demo        build, and fetch some 500 files, 50 at a time"
	@echo "make test        build, and run the specs; SPECS=spec/x_spec.lua for one,"
	@echo "                 BUSTED_FLAGS=--filter=words for some"
	@echo "make check       luacheck, warnings as errors, cppcheck, clang-tidy, layers"
	@echo "make asan ubsan tsan valgrind gc"
	@echo "                 the specs under a checker or an aggressive collector"
	@echo "make torture     every allocation of small programs fails; POINTS=40 for some"
	@echo "make schedules   random programs, judged; FIRST=1 SEEDS=20000"
	@echo "make leaks       the specs six times: nothing may grow"
	@echo "make cancel-everywhere"
	@echo "                 the specs with a cancellation at each of their awaits"
	@echo "make threads threads-tsan threads-asan"
	@echo "                 Lua states in threads; THREADS=16 STATES=18 of each"
	@echo "make coverage    which lines of C and Lua the specs reach"
	@echo "make syscalls    programs under system calls that fail, one by one"
	@echo "make soak        ten minutes at full speed: does anything grow? SOAK=seconds"
	@echo "make mutants     do the checks find planted bugs? MUTANTS=4 for some"
	@echo "make bench       measure"
	@echo "make bench       measure, beside what 'make bench-deps' installs;"
	@echo "                 bench-readme and bench-plots write down the results"
	@echo "make bench-instructions   count instead, by callgrind"
	@echo "make install     PREFIX=$(PREFIX) DESTDIR=; 'make uninstall' undoes it"
	@echo "make rockspec    write the lists of the rockspec anew"
	@echo "make dist        an archive of what is committed"
	@echo "make clean       remove all that was built"
	@echo
	@echo "CC CFLAGS LDFLAGS LUA LUA_CFLAGS LIBUV_CFLAGS LIBUV_LIBS can be set."

.PHONY: all need-build FORCE demo test spec deps bench bench-readme \
  bench-plots bench-instructions bench-deps asan ubsan tsan valgrind gc \
  cancel-everywhere leaks torture schedules threads syscalls soak mutants \
  coverage check check-lua check-warnings check-cppcheck check-tidy \
  check-layers rockspec install uninstall dist clean help
.PHONY: all need-build FORCE demo test spec deps bench asan ubsan tsan schedules threads \
  threads-tsan threads-asan \
  valgrind gc coverage check check-lua check-warnings check-cppcheck \
  check-tidy check-layers rockspec install uninstall dist clean help
