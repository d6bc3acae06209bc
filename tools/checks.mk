# What 'make' can check; CONTRIBUTING.md and docs/reliability.md say what for.
# The Makefile includes it.

# ---- the source --------------------------------------------------------

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
	else echo "skipped: clang's warnings: clang is not installed"; fi

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
	else echo "skipped: $(CPPCHECK) is not installed"; fi

check-tidy:
	@if command -v $(CLANG_TIDY) >/dev/null 2>&1; then \
	  echo "$(CLANG_TIDY) src"; \
	  printf '%s\n' $(SOURCES) | xargs -P 2 -I @ $(CLANG_TIDY) --quiet \
	   --warnings-as-errors='*' @ -- -std=gnu11 -Isrc $(LUA_CFLAGS) \
	   $(LIBUV_CFLAGS) -include tools/noreturn.h 2>/dev/null; \
	else echo "skipped: $(CLANG_TIDY) is not installed"; fi

check-layers:
	@$(RUNENV) $(LUA) $(BUSTED) spec/layers_spec.lua spec/packaging_spec.lua

# ---- the specs under a checker: each build in a directory of its own ---

variant = $(MAKE) --no-print-directory BUILD=$(1) CFLAGS="$(2)" all
env = $(subst $(BUILD)/?.so,$(1)/?.so,$(subst \
  CASYNC_BUILD="$(BUILD)",CASYNC_BUILD="$(1)",$(RUNENV)))

SANITIZE = -O1 -g -fno-omit-frame-pointer
ASAN_CFLAGS = $(SANITIZE) -fsanitize=address
TSAN_CFLAGS = $(SANITIZE) -fsanitize=thread

# What takes too long under a checker that slows the process down: specs that
# start other programs, those with a hundred thousand tasks, and those that
# fill the C stack.
INPROCESS = --exclude-tags=programs,slow --filter-out=hundred.thousand \
  --filter-out=C.stack.overflow

asan:
	@$(call variant,build-asan,$(ASAN_CFLAGS))
	@$(call env,build-asan) CASYNC_TIMESCALE=4 \
	 ASAN_OPTIONS=detect_leaks=1:halt_on_error=1:$(ASAN_OPTIONS) \
	 CASYNC_PRELOAD="`$(CC) -print-file-name=libasan.so`" \
	 sh tools/preload.sh $(LUA) $(BUSTED) $(SPECS)

ubsan:
	@$(call variant,build-ubsan,$(SANITIZE) -fsanitize=undefined -fno-sanitize-recover=all)
	@$(call env,build-ubsan) CASYNC_TIMESCALE=4 UBSAN_OPTIONS=print_stacktrace=1 \
	 $(LUA) $(BUSTED) $(SPECS)

tsan:
	@$(call variant,build-tsan,$(TSAN_CFLAGS))
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
	@$(RUNENV) CASYNC_TIMESCALE=20 CASYNC_GC=incremental \
	 $(LUA) $(BUSTED) $(INPROCESS) $(SPECS)
	@$(RUNENV) CASYNC_TIMESCALE=20 CASYNC_GC=generational \
	 $(LUA) $(BUSTED) $(INPROCESS) $(SPECS)

coverage:
	@command -v gcovr >/dev/null 2>&1 || \
	 { echo "'make coverage' needs gcovr: please install it" >&2; exit 1; }
	@$(call variant,build-coverage,-O0 -g --coverage \
	 -fprofile-update=atomic -include tools/coverage.h) \
	 build-coverage/hosts/threads
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

# ---- what the checks below are built with ------------------------------

# Libraries that are loaded before others, or by Lua.
LIBRARY = $(CC) -std=gnu11 -O2 -fPIC -Wall -Wextra $(LUA_CFLAGS) $(SHARED)

$(BUILD)/counts.so: spec/support/counts.c
$(BUILD)/schedules/clock.so: spec/schedules/clock.c
$(BUILD)/shim.so: spec/syscalls/shim.c
$(BUILD)/meter.so: spec/soak/meter.c
$(patsubst %,$(BUILD)/%.so,counts schedules/clock shim meter): \
  $(BUILD)/command | need-build
	@mkdir -p $(@D)
	$(call says,CC)$(LIBRARY) -o $@ $(filter %.c,$^) -ldl

# Programs with Lua states.
$(BUILD)/hosts/torture: spec/torture/host.c
$(BUILD)/hosts/threads: spec/hosts/threads.c
$(patsubst %,$(BUILD)/hosts/%,torture threads): $(BUILD)/command | need-build
	@mkdir -p $(@D)
	$(call says,CC)$(CC) $(filter-out -fvisibility=hidden,$(ALL_CFLAGS)) \
	  -rdynamic -o $@ $(filter %.c,$^) $(LUA_LIBS) $(LIBUV_LIBS) -lpthread

# ---- the specs again and again -----------------------------------------

# Without busted; several processes at a time, which wait most of the time.
eachfile = find $(SPECS) -name '*_spec.lua' | sort | $(RUNENV) xargs -P 6 -n $(1)

# What a process holds must not grow. One thread for libuv's work, since each
# keeps memory of its own.
leaks: all $(BUILD)/counts.so $(BUILD)/hosts/threads
	@$(call eachfile,8) env UV_THREADPOOL_SIZE=1 CASYNC_TIMESCALE=10 \
	 CASYNC_PRELOAD="$(ROOT)/$(BUILD)/counts.so" sh tools/preload.sh $(LUA) \
	 spec/support/leaks.lua

# A cancellation at each await of each spec; at some with CASYNC_SAMPLE=n.
cancel-everywhere: all $(BUILD)/counts.so $(BUILD)/hosts/threads
	@$(call eachfile,1) $(LUA) spec/support/cancelling.lua

# ---- torture: every allocation fails once: see spec/torture/host.c -----

# POINTS=n: some n of each program and mode, chosen by SEED. PROGRAMS="..."
# and MODES="...": only these. POINT=n with one of each: this point alone.
# A run that takes longer than LIMIT seconds hangs. RUN: a checker.
POINTS ?= 0
SEED ?= $(shell date +%s)
POINT ?=
LIMIT ?= 20
RUN ?=

torture: all $(BUILD)/hosts/torture
	@$(if $(POINT), \
	  $(RUNENV) $(RUN) $(BUILD)/hosts/torture -t $(LIMIT) -p $(POINT) \
	    $(PROGRAMS) $(MODES), \
	  echo "POINTS=$(POINTS) SEED=$(SEED)"; \
	  $(RUNENV) PROGRAMS="$(PROGRAMS)" MODES="$(MODES)" RUN="$(RUN)" \
	    sh spec/torture/sweep.sh $(BUILD)/hosts/torture -n $(POINTS) -s $(SEED) \
	    -t $(LIMIT))

# ---- system calls that fail --------------------------------------------

# SYSCALLS="--sample 200", a word of the points' names, or "--replay POINT".
syscalls: all $(BUILD)/shim.so
	@$(RUNENV) $(LUA) spec/syscalls/run.lua $(SYSCALLS)

# ---- random programs ---------------------------------------------------

# The seeds FIRST to FIRST + SEEDS - 1; a failure tells its seed.
# CASYNC_PRELOAD is for a checker.
FIRST ?= 1
SEEDS ?= 20000

schedules: all $(BUILD)/schedules/clock.so
	@$(RUNENV) $(LUA) spec/schedules/main.lua $(FIRST) $(SEEDS)

# ---- many states in many threads ---------------------------------------

THREADS ?= 16
STATES ?= 18

threads: all $(BUILD)/hosts/threads
	@$(RUNENV) $(BUILD)/hosts/threads spec/hosts/everything.lua $(THREADS) $(STATES)

threads-asan:
	@ASAN_OPTIONS=detect_leaks=1:$(ASAN_OPTIONS) $(MAKE) --no-print-directory \
	 BUILD=build-asan CFLAGS="$(ASAN_CFLAGS)" threads

threads-tsan:
	@$(MAKE) --no-print-directory BUILD=build-tsan CFLAGS="$(TSAN_CFLAGS)" threads

# ---- at full speed for long --------------------------------------------

SOAK ?= 600

soak: all $(BUILD)/meter.so
	@$(RUNENV) $(LUA) spec/soak/run.lua $(SOAK)

# ---- the checks checked ------------------------------------------------

# Planted bugs, each of which must turn its check red; WORDS='queue lock' for
# some, MUTANTS=4 for a sample that changes from day to day.
mutants: all
	@$(LUA) tools/mutants.lua $(WORDS)

.PHONY: check check-lua check-warnings check-cppcheck check-tidy check-layers \
  asan ubsan tsan valgrind gc coverage leaks cancel-everywhere torture \
  syscalls schedules threads threads-asan threads-tsan soak mutants
