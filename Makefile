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
LUA_LIBS ?= $(if $(LUA_PC),$(shell $(PKG_CONFIG) --libs $(LUA_PC)))
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

spec: all $(BUILD)/hosts/threads
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

# ---- checking ----------------------------------------------------------

include tools/checks.mk

# ---- installing --------------------------------------------------------

# Write the lists of the rockspec anew, from what is in the tree.
rockspec:
	$(LUA) tools/rockspec.lua rockspec/casync-scm-1.rockspec

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
	@echo "make                    build into $(BUILD)/"
	@echo "make deps               install what is needed with the system's package manager"
	@echo "make demo               build, and fetch some 500 files, 50 at a time"
	@echo "make test               build, and run the specs; SPECS=spec/x_spec.lua for one,"
	@echo "                        BUSTED_FLAGS=--filter=words for some"
	@echo "make check              luacheck, warnings as errors, cppcheck, clang-tidy, layers"
	@echo
	@echo "make asan ubsan tsan valgrind gc"
	@echo "                        the specs under a checker or an aggressive collector"
	@echo "make coverage           which lines of C and Lua the specs reach"
	@echo "make leaks              the specs again and again: nothing may grow"
	@echo "make cancel-everywhere  the specs with a cancellation at each of their awaits"
	@echo "make torture            every allocation of small programs fails; POINTS=40: some"
	@echo "make syscalls           system calls fail, one by one; SYSCALLS='--sample 200'"
	@echo "make schedules          random programs, judged; FIRST=1 SEEDS=20000"
	@echo "make threads threads-asan threads-tsan"
	@echo "                        Lua states in threads; THREADS=16 STATES=18 of each"
	@echo "make soak               at full speed: does anything grow? SOAK=600 seconds"
	@echo "make mutants            do the checks find planted bugs? MUTANTS=4: some"
	@echo
	@echo "make bench              measure, beside what 'make bench-deps' installs"
	@echo "make bench-deps         install what casync is compared with"
	@echo "make bench-readme       write the tables of the last 'make bench' into the docs"
	@echo "make bench-plots        draw them"
	@echo "make bench-instructions count instead of timing, by callgrind"
	@echo
	@echo "make install            PREFIX=$(PREFIX) DESTDIR=; 'make uninstall' undoes it"
	@echo "make rockspec           write the lists of the rockspec anew"
	@echo "make dist               an archive of what is committed"
	@echo "make clean              remove all that was built"
	@echo
	@echo "CC CFLAGS LDFLAGS LUA LUA_CFLAGS LIBUV_CFLAGS LIBUV_LIBS can be set."

.PHONY: all need-build FORCE demo test spec deps bench bench-readme \
  bench-plots bench-instructions bench-deps rockspec install uninstall dist \
  clean help
