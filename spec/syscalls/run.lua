--- System calls fail: run programs again and again under strace, with one
-- call failing in each run, and judge how they end.
--
--   lua5.4 spec/syscalls/run.lua              all points
--   lua5.4 spec/syscalls/run.lua WORD...      only points whose names contain
--                                             one of the words
--   lua5.4 spec/syscalls/run.lua --sample N   N points drawn with the seed
--                                --seed S     (default: the clock)
--   lua5.4 spec/syscalls/run.lua --replay P   one point, all it said and did
--
-- A point is program:syscall:errno:occurrence, as echo:read:ECONNRESET:12. A
-- first run of each program counts the calls; those before the program opens
-- '/syscalls-begin' are the interpreter's own and are left out.
--
-- Besides, no call fails but each program is hindered, and nothing may come
-- out of that: echo:storm (a signal each millisecond), echo:pieces (reads and
-- writes of a few bytes), echo:slow:read (each such call begins late).

local process = require "spec.support.process"

local quote = process.quote

local SECONDS = 60          -- for one run
local PARALLEL = 2
local BATCH = 40
-- Occurrences of one call in one program: those beyond are thinned evenly.
local FIRST, MOST = 24, 48

-- Built by 'make syscalls' from shim.c.
local SHIM = process.root .. "/" .. (os.getenv "CASYNC_BUILD" or "build")
  .. "/shim.so"

-- 'follow': threads are traced, too. 'shim': see shim.c. 'popen': it starts
-- other programs, by calls of its own.
local PROGRAMS = {
  {name = "echo", shim = "SHIM_BUFFER=8000"},
  {name = "downloader", popen = true},
  {name = "lookup", follow = true},
}

local NETWORK = "ENETUNREACH EHOSTUNREACH ETIMEDOUT"

-- What each call may fail with.
local ERRORS = {
  socket = "EMFILE ENFILE ENOBUFS ENOMEM EAFNOSUPPORT EACCES",
  bind = "EADDRINUSE EADDRNOTAVAIL EACCES ENOMEM",
  listen = "EADDRINUSE ENOBUFS",
  accept4 = "EMFILE ENFILE ENOBUFS ENOMEM EAGAIN EINTR ECONNABORTED EPERM",
  connect = "ECONNREFUSED EADDRINUSE EADDRNOTAVAIL EAGAIN EINTR EPERM ENOBUFS "
    .. NETWORK,
  getsockname = "ENOBUFS",
  getpeername = "ENOBUFS ENOTCONN",
  setsockopt = "ENOMEM ENOPROTOOPT",
  getsockopt = "ENOBUFS",
  ioctl = "EIO ENOTTY",
  fcntl = "EMFILE EINVAL",
  read = "EAGAIN EINTR ECONNRESET EIO ENOMEM ENOBUFS " .. NETWORK,
  recvmsg = "EAGAIN EINTR ECONNRESET ENOMEM ENOBUFS",
  recvfrom = "EAGAIN EINTR ECONNRESET ENOMEM ENOBUFS",
  write = "EAGAIN EINTR ECONNRESET EPIPE EIO ENOSPC ENOMEM ENOBUFS EPERM "
    .. NETWORK,
  writev = "EAGAIN EINTR ECONNRESET EPIPE ENOMEM ENOBUFS EPERM " .. NETWORK,
  sendmsg = "EAGAIN EINTR ECONNRESET EPIPE ENOMEM ENOBUFS EPERM " .. NETWORK,
  sendto = "EAGAIN EINTR ECONNRESET EPIPE ENOMEM ENOBUFS EPERM " .. NETWORK,
  sendmmsg = "EINTR ENOMEM ENOBUFS EPERM",
  shutdown = "ENOTCONN ENOBUFS",
  close = "EINTR EIO ENOSPC EBADF",
  epoll_create1 = "EMFILE ENFILE ENOMEM",
  epoll_ctl = "ENOMEM ENOSPC EPERM EBADF EEXIST ENOENT",
  epoll_wait = "EINTR EBADF",
  epoll_pwait = "EINTR EBADF",
  eventfd2 = "EMFILE ENFILE ENOMEM",
  pipe2 = "EMFILE ENFILE ENOMEM",
  openat = "EMFILE ENFILE ENOMEM ENOENT EACCES EINTR",
  poll = "EINTR ENOMEM",
  clone = "EAGAIN ENOMEM EPERM",
  clone3 = "EAGAIN ENOMEM EPERM",
}

-- What libuv 1.44.2 itself aborts on: the call, the kind of descriptor, and
-- where in libuv.
local ABORTS = {
  {"epoll_ctl", "eventpoll", "uv__io_poll, epoll.c:166 and 172"},
  {"epoll_wait", "eventpoll", "uv__io_poll, epoll.c:284"},
  {"pipe2", nil, "uv__signal_global_reinit, signal.c:104"},
  {"write", "pipe", "uv__signal_global_reinit, signal.c:107"},
  {"write", "eventfd", "uv__async_send, async.c:198"},
  {"read", "eventfd", "uv__async_io, async.c:146"},
  {"clone3", nil, "init_threads, threadpool.c:231"},
}

-- uv_loop_init of libuv 1.44.2 leaves its epoll descriptor open when it fails
-- (loop.c:116).
local LEAVES_EPOLL = {pipe2 = true, eventfd2 = true}

-- Errors that follow from another one, on either side of a connection.
local CONSEQUENCES = {
  ECONNRESET = true, EPIPE = true, ECONNABORTED = true, ECONNREFUSED = true,
  ENOTCONN = true,
}

-- What pthread_create makes of any error.
local THREADS = {clone = "EAGAIN", clone3 = "EAGAIN"}

-- Ways to hinder a program.
local HINDRANCES = {
  {name = "storm", shim = "SHIM_INTERVAL=1000"},
  {name = "pieces", shim = "SHIM_PIECE=97"},
}
for call in ("read write accept4 connect epoll_wait epoll_ctl close socket "
    .. "shutdown"):gmatch "%S+" do
  HINDRANCES[#HINDRANCES + 1] = {
    name = "slow:" .. call, inject = call .. ":delay_enter=3000",
  }
end


local function fail(...)
  io.stderr:write("syscalls: ", string.format(...), "\n")
  os.exit(2)
end


local function capture(command)
  local pipe = assert(io.popen(command))
  local text = pipe:read "a"
  pipe:close()
  return text
end


-- Traces --------------------------------------------------------------------

--- The calls of a trace. 'fd' is the first argument, if it is a descriptor,
-- 'kind' what it is: a path, "socket", "pipe", "eventfd", "eventpoll".
local function events(text)
  local list, unfinished = {}, {}
  for line in text:gmatch "[^\n]+" do
    local thread, body = line:match "^(%d*)%s*(.*)$"
    local call, rest = body:match "^([%w_]+)%((.*)$"
    local event
    if call then
      local fd, kind = rest:match "^(%d+)<([^>]*)>"
      event = {
        call = call,
        thread = thread,
        mark = call == "openat" and rest:find("/syscalls-begin", 1, true) ~= nil,
        fd = tonumber(fd),
        kind = kind and (kind:match "^anon_inode:%[(.*)%]" or
                         kind:match "^(%a+):" or kind),
        line = line,
      }
      list[#list + 1] = event
      unfinished[thread] = event
    elseif body:find "^<%.%.%. " then   -- another thread was in between
      event, rest = unfinished[thread], body
    end
    if event then
      event.result = tonumber(rest:match ".*= (%-?%d+)")
      event.injected = rest:find("(INJECTED)", 1, true) ~= nil
    end
  end
  return list
end


local POPEN = {clone = true, clone3 = true, pipe2 = true}

--- Is it one of the interpreter's or of the program's own calls?
local function is_own(event, program)
  if program.popen and (event.kind == "pipe" or POPEN[event.call]) then
    return true
  end
  return event.fd and (event.fd <= 2 or event.kind:sub(1, 1) == "/")
    and event.kind ~= "/dev/null"
end


--- Can it fail so? An eventfd that says EAGAIN has woken its reader before,
-- and to an eventfd the threads write.
local function fits(program, call, errno)
  return not (errno == "EAGAIN" and call == "write" and program.follow)
end


--- {call = {n, ...}}: which occurrences, counted in each thread, come after
-- the mark, and never before it.
local function count(text, program)
  local seen, early, found, main, began = {}, {}, {}, nil, false
  for _, event in ipairs(events(text)) do
    main = main or event.thread
    local key = event.thread .. " " .. event.call
    seen[key] = (seen[key] or 0) + 1
    if event.mark then
      began = true
    elseif not began then
      early[event.call] = seen[key]
    elseif not is_own(event, program) then
      found[event.call] = found[event.call] or {}
      if event.thread == main or seen[key] > (early[event.call] or 0) then
        found[event.call][seen[key]] = true
      end
    end
  end
  for call, set in pairs(found) do
    local list = {}
    for n in pairs(set) do list[#list + 1] = n end
    table.sort(list)
    found[call] = list
  end
  return found
end


--- What each stream has given ("received N on FD: how" in the output, which
-- is in the trace as well) is what the system gave; or what is wrong.
local function unread(text)
  local received = {}
  for _, event in ipairs(events(text)) do
    local new = event.call == "accept4" or event.call == "socket"
    if new and event.result and event.result >= 0 then
      received[event.result] = 0
    elseif event.call == "read" and received[event.fd] and event.result
        and event.result > 0 then
      received[event.fd] = received[event.fd] + event.result
    elseif event.call == "write" and event.fd == 1 then
      local n, fd, how = event.line:match '"received (%d+) on (%d+): (%a+)'
      n, fd = tonumber(n), tonumber(fd)
      if n and how ~= "?" and received[fd] ~= n then
        return ("a stream gave %d bytes until its %s, the system gave %d")
          :format(n, how, received[fd] or -1)
      end
    end
  end
end


local OPENERS = {
  accept4 = true, epoll_create1 = true, eventfd2 = true, socket = true,
}

--- A descriptor of a socket or of a loop that is still open at the end, or
-- nil.
local function leaked(text)
  local open = {}
  for _, event in ipairs(events(text)) do
    local n = event.result
    if OPENERS[event.call] and n and n >= 0 then open[n] = event.line end
    if event.call == "close" and event.fd then open[event.fd] = nil end
  end
  local _, line = next(open)
  return line
end


-- Running -------------------------------------------------------------------

local work = capture("mktemp -d"):gsub("\n", "")

local function finish(code)
  os.execute("rm -rf " .. quote(work))
  os.exit(code)
end

local calls = {}
for call in pairs(ERRORS) do calls[#calls + 1] = call end
table.sort(calls)

-- What judging a run needs to see besides the call that fails.
local ALWAYS = "read,write,accept4,socket,openat,close,eventfd2,epoll_create1"

--- The command that runs a program under strace with these options, and with
-- these variables for shim.c.
local function traced(program, base, options, shim)
  local words = {
    "timeout -s KILL", SECONDS, "strace -y -s 80 -o", quote(base .. ".trace"),
    program.follow and "-f" or "", options,
  }
  shim = shim or program.shim
  if shim then
    words[#words + 1] = "-E LD_PRELOAD=" .. quote(SHIM) .. " -E " .. shim
  end
  words[#words + 1] = quote(process.lua)
  words[#words + 1] = ("spec/syscalls/%s.lua"):format(program.name)
  words[#words + 1] = (">%s.out 2>%s.err </dev/null; echo $? >%s.rc"):format(
    quote(base), quote(base), quote(base))
  return table.concat(words, " ")
end


--- The command that tries a point.
local function command(point, base, more)
  local options
  if point.hindrance then
    local inject = point.hindrance.inject
    options = inject and "-e trace=" .. inject:match "^[^:]+" .. " -e inject=" .. inject
      or "-e trace=none"
    return traced(point.program, base, options, point.hindrance.shim)
  end
  options = ("-e trace=%s,%s%s -e inject=%s:error=%s:when=%d"):format(ALWAYS,
    point.call, more or "", point.call, point.errno, point.n)
  return traced(point.program, base, options)
end


local function name_of(point)
  if point.hindrance then
    return point.program.name .. ":" .. point.hindrance.name
  end
  return ("%s:%s:%s:%d"):format(point.program.name, point.call, point.errno,
                                point.n)
end


local function read(base, suffix)
  return process.read_file(base .. "." .. suffix) or ""
end


--- Run the commands, some at a time.
local function run_all(commands)
  local list = work .. "/commands"
  local file = assert(io.open(list, "w"))
  for i, line in ipairs(commands) do
    local script = ("%s/%d.sh"):format(work, i)
    local f = assert(io.open(script, "w"))
    f:write("ulimit -c 0\n", line, "\n")
    f:close()
    file:write(script, "\n")
  end
  file:close()
  os.execute(("xargs -P %d -n 1 sh <%s 2>/dev/null"):format(PARALLEL,
                                                            quote(list)))
end


-- Judging -------------------------------------------------------------------

--- Does libuv abort at this point, and not casync or anything else?
local function libuv_aborts(point)
  local base = work .. "/stack"
  os.execute("ulimit -c 0; (" .. command(point, base, ",tgkill -k")
    .. ") 2>/dev/null")
  local stack = read(base, "trace"):match "tgkill%b()[^\n]*\n(%s*>.*)"
  if not stack then return true end     -- a strace that shows no stacks
  return stack:find "%(abort%+[^\n]*\n[^\n]*/libuv%.so[^/\n]*%(" ~= nil
end


local verified = {}

--- The number of libuv's abort at this point, or nil.
local function known(point, event)
  for number, abort in ipairs(ABORTS) do
    if event.call == abort[1] and event.kind == abort[2] then
      if verified[number] == nil then verified[number] = libuv_aborts(point) end
      return verified[number] and number or nil
    end
  end
end


--- A hindered program does what it does otherwise.
local function judge_hindered(base)
  local text = read(base, "out") .. read(base, "err")
  local wrong = text:match "failed: [^\n]*" or text:match "BROKEN[^\n]*"
    or text:match "LATE[^\n]*"
  if read(base, "rc") == "0\n" and not wrong then return "kept" end
  return nil, wrong or "ends with status " .. read(base, "rc") .. text,
    wrong and wrong:find "LATE"
end


--- "kept" (nobody noticed), "failed" (with an error), "abort N" (libuv's),
-- "missed" (the call was not made this time), "own" (it was one of the
-- harness); or nil, what is wrong, and whether it is about time.
local function judge(point, base)
  if point.hindrance then return judge_hindered(base) end
  local rc = tonumber(read(base, "rc"))
  local out, err, trace = read(base, "out"), read(base, "err"), read(base, "trace")
  local injected
  for _, event in ipairs(events(trace)) do
    if event.injected then injected = event end
  end
  if rc == 137 then return nil, "hangs", true end
  if rc == 134 then
    local number = injected and known(point, injected)
    if number then return "abort " .. number end
    return nil, ("aborts after %s\n%s"):format(injected and injected.line, err)
  end
  if rc and rc > 128 then return nil, "crashes with signal " .. rc - 128 end
  local text = out .. err
  if not injected then
    if rc == 0 then return "missed" end
    return nil, ("fails with status %d without a failing call"):format(rc or -1)
  end
  if is_own(injected, point.program) then return "own" end
  local broken = text:match "BROKEN[^\n]*" or text:match "[^\n]*differs [^\n]*"
  if broken then return nil, broken end
  -- A descriptor that was not closed keeps its peer waiting.
  if text:find "LATE" and point.call ~= "close" then
    return nil, "is late: " .. text:match "LATE[^\n]*", true
  end
  if point.program.name ~= "downloader" then
    if rc ~= 0 or not out:find("done\n$") then
      return nil, "ends with status " .. tostring(rc) .. ": " .. err
    end
  elseif rc ~= 0 and rc ~= 1 then
    return nil, "ends with status " .. tostring(rc)
  end
  if not point.program.follow then
    local wrong = unread(trace)
    if wrong then return nil, wrong end
    local open = leaked(trace)
    local excused = LEAVES_EPOLL[point.call] and (open or ""):find "^epoll_create1"
    if open and not excused then
      return nil, "a descriptor is left open: " .. open
    end
  end
  for code in out:gmatch "failed: [^\n]-: (E[%u%d]+)" do
    if code ~= point.errno and not CONSEQUENCES[code]
        and code ~= THREADS[point.call] and not code:find "^EAI" then
      return nil, "another error: " .. code
    end
  end
  local told = text:find "failed: " or text:find "FAILED" or rc == 1
  return told and "failed" or "kept"
end


-- Points --------------------------------------------------------------------

--- Which of the occurrences are tried.
local function thin(list)
  if #list <= MOST then return list end
  local thinned = table.move(list, 1, FIRST, 1, {})
  local rest = MOST - FIRST
  for i = 1, rest do
    thinned[FIRST + i] = list[FIRST + i * (#list - FIRST) // rest]
  end
  return thinned
end


local function points_of(program)
  local base = work .. "/count"
  os.execute(traced(program, base, "-e trace=" .. table.concat(calls, ",")))
  if tonumber(read(base, "rc")) ~= 0 then
    fail("%s fails by itself:\n%s", program.name, read(base, "err"))
  end
  local found = count(read(base, "trace"), program)
  local points = {}
  for _, call in ipairs(calls) do
    local list = found[call] and thin(found[call])
    for errno in (list and ERRORS[call] or ""):gmatch "%S+" do
      for _, n in ipairs(fits(program, call, errno) and list or {}) do
        points[#points + 1] = {
          program = program, call = call, errno = errno, n = n,
        }
      end
    end
  end
  for _, hindrance in ipairs(HINDRANCES) do
    -- io.popen's reads do not stand signals.
    if not (program.popen and hindrance.name == "storm") then
      points[#points + 1] = {program = program, hindrance = hindrance}
    end
  end
  return points
end


local function shuffle(list, seed)
  math.randomseed(seed)
  for i = #list, 2, -1 do
    local j = math.random(i)
    list[i], list[j] = list[j], list[i]
  end
end


-- The table at the end ------------------------------------------------------

local COLUMNS = {"points", "kept", "failed", "abort", "missed", "own", "WRONG"}

local function print_table(tally)
  local keys = {}
  for key in pairs(tally) do keys[#keys + 1] = key end
  table.sort(keys)
  print(("\n%-26s" .. (" %8s"):rep(#COLUMNS)):format("call and errno",
    table.unpack(COLUMNS)))
  local sums = {}
  local function row(name, counts)
    local cells = {}
    for i, column in ipairs(COLUMNS) do
      cells[i] = counts[column] or 0
    end
    print(("%-26s" .. (" %8d"):rep(#COLUMNS)):format(name, table.unpack(cells)))
  end
  for _, key in ipairs(keys) do
    row(key, tally[key])
    for column, n in pairs(tally[key]) do sums[column] = (sums[column] or 0) + n end
  end
  row("all", sums)
  return sums
end


-- The program ---------------------------------------------------------------

local function parse(args)
  local options = {words = {}}
  local i = 1
  while i <= #args do
    local name = args[i]
    if name == "--sample" or name == "--seed" then
      i = i + 1
      options[name:sub(3)] = math.tointeger(tonumber(args[i] or ""))
        or fail("%s needs a number", name)
    elseif name == "--replay" then
      i = i + 1
      options.replay = args[i] or fail "--replay needs a point"
    elseif name:sub(1, 1) == "-" then
      fail("unknown option '%s'", name)
    else
      options.words[#options.words + 1] = name
    end
    i = i + 1
  end
  return options
end


local function can_trace()
  local probe = "strace -o /dev/null -e inject=close:error=EIO:when=1 true"
  return os.execute(probe .. " >/dev/null 2>&1")
end


local function point_of(name)
  local program, rest = name:match "^(%w+):(.*)$"
  local point = {}
  for _, p in ipairs(PROGRAMS) do
    if p.name == program then point.program = p end
  end
  for _, h in ipairs(HINDRANCES) do
    if h.name == rest then point.hindrance = h end
  end
  if not point.hindrance and rest then
    point.call, point.errno, point.n = rest:match "^([%w_]+):(%u[%w]*):(%d+)$"
    point.n = tonumber(point.n)
  end
  if not point.program or not (point.hindrance or point.n) then
    fail("there is no point '%s'", name)
  end
  return point
end


--- Try a point and judge it; gives the base of its files, too.
local function try(point)
  local base = work .. "/one"
  os.execute("ulimit -c 0; (" .. command(point, base) .. ") 2>/dev/null")
  local verdict, wrong = judge(point, base)
  return verdict, wrong, base
end


local function replay(name)
  local verdict, wrong, base = try(point_of(name))
  io.write(read(base, "trace"), "\n", read(base, "out"), read(base, "err"))
  print(("%s: %s"):format(name, verdict or "WRONG: " .. wrong))
  finish(verdict and 0 or 1)
end


local options = parse(arg)
io.stdout:setvbuf "line"
if not can_trace() then
  print "skipped: strace is missing or cannot trace here: no system call fails"
  finish(0)
end
if options.replay then replay(options.replay) end

local points = {}
for _, program in ipairs(PROGRAMS) do
  for _, point in ipairs(points_of(program)) do
    local wanted = #options.words == 0
    for _, word in ipairs(options.words) do
      wanted = wanted or name_of(point):find(word, 1, true) ~= nil
    end
    if wanted then points[#points + 1] = point end
  end
end
local total = #points
if options.sample then
  local seed = options.seed or os.time()
  shuffle(points, seed)
  for i = #points, options.sample + 1, -1 do points[i] = nil end
  print(("seed %d"):format(seed))
end
print(("%d of %d points"):format(#points, total))

local tally, wrongs = {}, 0
for first = 1, #points, BATCH do
  local last = math.min(first + BATCH - 1, #points)
  local commands = {}
  for i = first, last do
    commands[#commands + 1] = command(points[i],
      ("%s/p%d"):format(work, i - first))
  end
  run_all(commands)
  for i = first, last do
    local point = points[i]
    local verdict, wrong, late = judge(point, ("%s/p%d"):format(work, i - first))
    -- The machine may have stood still: then it is in time now.
    if late then verdict, wrong = try(point) end
    local key = point.hindrance and point.hindrance.name:gsub(":", " ")
      or point.call .. " " .. point.errno
    local counts = tally[key] or {}
    tally[key] = counts
    counts.points = (counts.points or 0) + 1
    local column = verdict and verdict:match "^%a+" or "WRONG"
    counts[column] = (counts[column] or 0) + 1
    if not verdict then
      wrongs = wrongs + 1
      print(("WRONG %s: %s\n  %s %s --replay %s"):format(name_of(point), wrong,
        process.lua, arg[0], name_of(point)))
    end
  end
end
print_table(tally)
print(("\n%d passed, %d failed"):format(#points - wrongs, wrongs))
finish(wrongs == 0 and 0 or 1)
