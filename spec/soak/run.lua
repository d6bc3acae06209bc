--- Everything at full speed for a long time: does anything grow, does
-- anything become slower?
--
--   lua5.4 spec/soak/run.lua [SECONDS [KIND...]]
--
-- 600 seconds by default; with KINDs only these kinds of work are done, to
-- find out which one it is.
--
-- The time is cut into windows. At the end of each, all tasks come to rest at
-- a gate; what they hold must be exactly what they held at the end of the
-- first, and memory must not have grown. In between, a probe sends requests
-- through the loop that all the others keep busy, and a ticker wants to be
-- woken each millisecond.
--
-- Latency is decided in processor time, of which other programs take little,
-- divided by that of a piece of plain Lua measured in the same window: so a
-- machine that is busy, or slower now than before, gives no alarm. Seconds
-- of the clock are printed beside it, and those of a second process that
-- only ticks, to see how busy the machine was. What is slower for good is
-- slower a minute later: so when the last minute is too slow, up to five more
-- are run, and the last of them counts.

local casync = require "casync"
local core = require "casync.core"
local meter = require "meter"

local async, await = casync.async, casync.await

local SECONDS = tonumber(arg[1] or "") or 600
-- Shorter runs have shorter windows, and too few samples to decide latency.
local WINDOW = SECONDS >= 120 and 10 or 2
local DECIDES_LATENCY = SECONDS >= 120
local MINUTE = DECIDES_LATENCY and math.max(1, 60 // WINDOW) or 1
local WARMUP = 2                    -- windows that do not count

local LATENCY_GROWTH = 1.2
local MORE_MINUTES = 5
-- What a heap that does not leak may differ by, from a collection to another.
local LUA_SLACK, MALLOC_SLACK, RSS_SLACK = 128 << 10, 256 << 10, 2 << 20

local HOST = "127.0.0.1"


-- What is measured ----------------------------------------------------------

-- Samples by their logarithm, 32 steps an octave: the memory it takes does
-- not depend on how many there are.
local STEPS = 32

local function Histogram()
  local counts, total = {}, 0
  for i = -32 * STEPS, 8 * STEPS do counts[i] = 0 end
  local histogram = {}

  function histogram.add(seconds)
    local i = math.floor(math.log(math.max(seconds, 1e-9), 2) * STEPS)
    counts[i] = counts[i] + 1
    total = total + 1
  end

  function histogram.quantile(q)
    local left = total * q
    for i = -32 * STEPS, 8 * STEPS do
      left = left - counts[i]
      if left <= 0 then return 2 ^ ((i + 0.5) / STEPS) end
    end
  end

  function histogram.clear()
    for i = -32 * STEPS, 8 * STEPS do counts[i] = 0 end
    total = 0
  end

  return histogram
end

local trip, trip_clock = Histogram(), Histogram()   -- processor time, seconds
local gap, gap_clock = Histogram(), Histogram()
local plain = Histogram()

local function pages()
  local file <close> = assert(io.open "/proc/self/statm")
  return tonumber((file:read "a"):match "^%d+ (%d+)")
end

local function descriptors()
  local n = 0
  for fd = 0, 1023 do
    local file <close> = io.open("/proc/self/fdinfo/" .. fd)
    if file then n = n + 1 end
  end
  return n
end

--- A piece of plain Lua that needs no memory.
local function plain_piece()
  local start, sum = os.clock(), 0
  for i = 1, 20000 do sum = sum + i % 7 end
  plain.add(os.clock() - start)
  return sum
end

local function median(list)
  local sorted = table.move(list, 1, #list, 1, {})
  table.sort(sorted)
  return (sorted[(#sorted + 1) // 2] + sorted[#sorted // 2 + 1]) / 2
end


-- The gate ------------------------------------------------------------------

local open = casync.Event()
local stopping = false
local working, resting = 0, 0
local counts = {}               -- how often each kind of work was done

--- Do `work` again and again; between two rounds the gate may be closed.
local function worker(name, work)
  counts[name] = counts[name] or 0
  working = working + 1
  return casync.create_task(function()
    while not stopping do
      if not open:is_set() then
        resting = resting + 1
        await(open:wait())
        resting = resting - 1
      end
      if stopping then break end
      work()
      counts[name] = counts[name] + 1
    end
  end)
end


-- The work ------------------------------------------------------------------

local function idle() await(casync.sleep(3600)) end

local function expect(condition, what)
  if not condition then error("soak: " .. what, 0) end
end

local work = {}

local double = async(function(n)
  await(casync.sleep(0))
  return n * 2
end)

function work.tasks()
  local list = {}
  for i = 1, 50 do list[i] = double(i) end
  local results = table.pack(await(casync.gather(table.unpack(list))))
  expect(results[50] == 100, "gather gave another result")
end

function work.cancellations()
  local list = {}
  for i = 1, 50 do list[i] = casync.create_task(idle) end
  await(casync.sleep(0))
  for _, task in ipairs(list) do task:cancel() end
  for _, task in ipairs(list) do
    expect(not pcall(await, task) and task:cancelled(), "a task was not cancelled")
  end
end

function work.timeouts()
  for _ = 1, 20 do
    local _ <close> = casync.timeout(10)
    await(casync.sleep(0))
  end
  local ok, err = casync.pcall(function()
    local _ <close> = casync.timeout(0)
    idle()
  end)
  expect(not ok and casync.TimeoutError:is(err), "a time-out did not come")
end

do
  local lock, inside = casync.Lock(), 0
  function work.locks()
    for _ = 1, 10 do
      local _ <close> = await(lock:acquire_scoped())
      inside = inside + 1
      expect(inside == 1, "two tasks hold the lock")
      await(casync.sleep(0))
      inside = inside - 1
    end
    local waiting = casync.create_task(function()
      local _ <close> = await(lock:acquire_scoped())
      await(casync.sleep(0))
    end)
    await(casync.sleep(0))
    waiting:cancel()
    pcall(await, waiting)
  end

  local semaphore = casync.Semaphore(2)
  function work.semaphores()
    local _ <close> = await(semaphore:acquire_scoped())
    await(casync.sleep(0))
  end

  local condition = casync.Condition()
  function work.conditions()
    local done = false
    local woken = casync.create_task(function()
      await(condition:acquire())
      while not done do await(condition:wait()) end
      condition:release()
    end)
    await(casync.sleep(0))
    await(condition:acquire())
    done = true
    condition:notify_all()
    condition:release()
    await(woken)
  end
end

function work.queues()
  local queue = casync.Queue(4)
  local producer = casync.create_task(function()
    for i = 1, 50 do await(queue:put(i)) end
  end)
  for i = 1, 50 do expect(await(queue:get()) == i, "another item came") end
  await(producer)
  local getter = casync.create_task(function() return await(queue:get()) end)
  await(casync.sleep(0))
  getter:cancel()
  pcall(await, getter)
end

function work.groups()
  local ok, err = casync.pcall(function()
    local group <close> = casync.TaskGroup()
    for _ = 1, 10 do group:create_task(idle) end
    group:create_task(function()
      await(casync.sleep(0))
      error "one fails"
    end)
  end)
  expect(not ok and casync.ExceptionGroup:is(err), "the group did not fail")
end

local numbers = casync.generator(function(yield, n)
  for i = 1, n do
    await(casync.sleep(0))
    yield(i)
  end
end)

function work.generators()
  local sum = 0
  for i in numbers(10) do sum = sum + i end
  expect(sum == 55, "a generator lost an item")
end

function work.callbacks()
  local loop = casync.get_running_loop()
  local future = loop:create_future()
  loop:call_later(3600, print):cancel()
  loop:call_soon(future.set_result, future, true)
  await(casync.shield(future))
end


-- Connections ---------------------------------------------------------------

local function echo(stream)
  while true do
    local bytes = await(stream:read(65536))
    if not bytes then break end
    await(stream:write(bytes))
  end
  await(stream:close())
end

local port                      -- of the echo server

--- Work that keeps its connection. It is closed with the server's.
local function conversation(size)
  local message = ("x"):rep(size)
  local stream
  return function()
    stream = stream or await(casync.open_connection(HOST, port))
    stream:write(message)
    expect(#await(stream:readexactly(size)) == size, "another echo")
  end
end

function work.connections()
  local stream <close> = await(casync.open_connection(HOST, port))
  await(stream:write "hello")
  expect(await(stream:readexactly(5)) == "hello", "another echo")
end

function work.aborted_connections()
  local stream = await(casync.open_connection(HOST, port))
  local reading = casync.create_task(function() return await(stream:read(10)) end)
  stream:write(("x"):rep(1000))
  await(casync.sleep(0))
  reading:cancel()
  pcall(await, reading)
  await(stream:abort())
end

--- A small request through the busy loop, a thousand times a second at most.
local probe
do
  local message = ("p"):rep(64)
  local stream
  function probe()
    local loop = casync.get_running_loop()
    stream = stream or await(casync.open_connection(HOST, port))
    local start, clock = os.clock(), loop:time()
    stream:write(message)
    await(stream:readexactly(64))
    trip.add(os.clock() - start)
    trip_clock.add(loop:time() - clock)
    await(casync.sleep(0.001))
  end
end

local function ticker()
  local loop = casync.get_running_loop()
  local start, clock = os.clock(), loop:time()
  await(casync.sleep(0.001))
  gap.add(os.clock() - start)
  gap_clock.add(loop:time() - clock)
end


-- The noise of the machine: another process that only ticks -----------------

local NOISE = [[
  local casync = require "casync"
  local seconds = tonumber(arg[1])
  casync.run(function()
    local loop = casync.get_running_loop()
    local gaps = {}
    while true do
      local ends = loop:time() + seconds
      for i = #gaps, 1, -1 do gaps[i] = nil end
      while loop:time() < ends do
        local start = loop:time()
        casync.await(casync.sleep(0.001))
        gaps[#gaps + 1] = loop:time() - start
      end
      table.sort(gaps)
      local file = assert(io.open(arg[2], "w"))
      file:write(gaps[math.ceil(#gaps * 0.99)])
      file:close()
    end
  end)
]]

local noise_file, noise_pid

local function start_noise()
  noise_file = os.tmpname()
  local script = noise_file .. ".lua"
  local file = assert(io.open(script, "w"))
  file:write(NOISE)
  file:close()
  local lua = os.getenv "LUA" or "lua5.4"
  local pipe = assert(io.popen(("%s %s %g %s >/dev/null 2>&1 & echo $!"):format(
    lua, script, WINDOW / 2, noise_file)))
  noise_pid = pipe:read "n"
  pipe:close()
end

local function stop_noise()
  os.execute("kill " .. noise_pid)
  os.remove(noise_file)
  os.remove(noise_file .. ".lua")
end

local function noise()
  local file <close> = io.open(noise_file)
  return file and file:read "n" or 0 / 0
end


-- Windows -------------------------------------------------------------------

local windows = {}

local HEADER = "%6s %9s %9s %9s %5s %5s %7s | %8s %8s %8s | %8s %8s %8s"
local ROW = "%6.0f %9.1f %9.1f %9.1f %5d %5d %7d | %8.3f %8.3f %8.3f | %8.2f %8.2f %8.2f"

local function print_header()
  print(HEADER:format("", "Lua", "malloc", "RSS", "", "", "", "trip", "gap", "plain",
    "trip", "gap", "bare"))
  print(HEADER:format("s", "KB", "KB", "KB", "fds", "tasks", "handles", "cpu ms",
    "cpu ms", "Lua ms", "ms", "ms", "tick ms"))
end

--- Close the gate, measure what is held, and open it again.
local function close_window(loop, at)
  open:clear()
  while resting < working do await(casync.sleep(0.001)) end
  -- Closed connections linger for a moment, on both sides.
  local census = core.census(loop)
  for _ = 1, 500 do
    await(casync.sleep(0.01))
    local now = core.census(loop)
    if now.handles == census.handles and now.tasks == census.tasks
        and (not windows[1] or now.handles <= windows[1].handles) then
      break
    end
    census = now
  end
  collectgarbage()
  collectgarbage()
  census = core.census(loop)
  local window = {
    lua = collectgarbage "count" * 1024, malloc = meter.allocated(),
    rss = pages() * 4096, fds = descriptors(),
    tasks = census.tasks, handles = census.handles, timers = census.timers,
    trip = trip.quantile(0.99), gap = gap.quantile(0.99), plain = plain.quantile(0.5),
    trip_clock = trip_clock.quantile(0.99), gap_clock = gap_clock.quantile(0.99),
    noise = noise(),
  }
  windows[#windows + 1] = window
  for _, histogram in ipairs {trip, trip_clock, gap, gap_clock, plain} do
    histogram.clear()
  end
  print(ROW:format(at, window.lua / 1024, window.malloc / 1024,
    window.rss / 1024, window.fds, window.tasks, window.handles,
    window.trip * 1e3, window.gap * 1e3, window.plain * 1e3,
    window.trip_clock * 1e3, window.gap_clock * 1e3, window.noise * 1e3))
  open:set()
end

local function column(first, last, name)
  local list = {}
  for i = first, last do list[#list + 1] = windows[i][name] end
  return list
end

--- Of the windows that count: the first and the last of the first minute, and
-- those of the last one.
local function minutes()
  local n, first = #windows, WARMUP + 1
  return first, math.min(first + MINUTE - 1, n), math.max(n - MINUTE + 1, first), n
end

--- How much slower the last minute was than the first, and the four numbers
-- that this comes from.
local function growth(name)
  local first, early, late, last = minutes()
  local a, b = median(column(first, early, name)), median(column(late, last, name))
  local plain_a = median(column(first, early, "plain"))
  local plain_b = median(column(late, last, "plain"))
  return (b / plain_b) / (a / plain_a), a, b, plain_a, plain_b
end

local function slower()
  return growth "trip" > LATENCY_GROWTH or growth "gap" > LATENCY_GROWTH
end

local function main()
  local loop = casync.get_running_loop()
  local server = await(casync.start_server(echo, HOST, 0, {backlog = 1000}))
  local _
  _, port = server:sockets()[1]:getsockname()

  local tasks = {}
  local wanted = {}
  for i = 2, #arg do wanted[arg[i]] = true end
  for name, fn in pairs(work) do
    for _ = 1, next(wanted) and not wanted[name] and 0 or 2 do tasks[#tasks + 1] = worker(name, fn) end
  end
  local sizes = {64, 64, 64, 64, 4096, 65536, 300000}
  if next(wanted) and not wanted.messages then sizes = {} end
  for _, size in ipairs(sizes) do
    tasks[#tasks + 1] = worker("messages", conversation(size))
  end
  open:set()
  tasks[#tasks + 1] = worker("requests of the probe", probe)
  tasks[#tasks + 1] = worker("ticks", ticker)
  -- A worker that fails must be seen at once, and not at the end.
  local failed
  for _, task in ipairs(tasks) do
    task:add_done_callback(function(done)
      if done:cancelled() then failed = failed or tostring(done)
      elseif done:exception() ~= nil then
        failed = failed or tostring(done:exception())
      end
    end)
  end

  print_header()
  local start = loop:time()
  local ends, more = start + SECONDS, 0
  while not failed do
    if loop:time() >= ends then
      if not DECIDES_LATENCY or more == MORE_MINUTES or not slower() then break end
      more = more + 1
      ends = loop:time() + 60
      print "the last minute was slower: one more"
    end
    local window_ends = loop:time() + WINDOW
    while loop:time() < window_ends and not failed do
      await(casync.sleep(0.1))
      plain_piece()
    end
    if failed then break end
    close_window(loop, loop:time() - start)
  end

  stopping = true
  open:set()
  if failed then error(failed, 0) end
  for _, task in ipairs(tasks) do await(task) end
  server:close_clients()
  await(server:close())
end


-- The verdict ---------------------------------------------------------------

local passed, failures = 0, 0

local function verdict(ok, ...)
  print((ok and "ok      " or "FAILED  ") .. string.format(...))
  if ok then passed = passed + 1 else failures = failures + 1 end
end

local function judge()
  local first, early, late, last = minutes()
  for _, name in ipairs {"fds", "tasks", "handles", "timers"} do
    local a, b = windows[first][name], windows[last][name]
    verdict(a == b, "%s: %d after the first windows, %d at the end", name, a, b)
  end
  for name, slack in pairs {lua = LUA_SLACK, malloc = MALLOC_SLACK, rss = RSS_SLACK} do
    local a = math.max(table.unpack(column(first, early, name)))
    local b = math.max(table.unpack(column(late, last, name)))
    verdict(b <= a + slack, "%s: at most %.0f KB in the first windows, %.0f KB "
      .. "in the last", name, a / 1024, b / 1024)
  end
  for _, name in ipairs {"trip", "gap"} do
    local ratio, a, b, plain_a, plain_b = growth(name)
    local text = ("%s: 99th percentile %.3f ms of processor time in the first "
      .. "minute, %.3f in the last; for plain Lua %.3f and %.3f; ratio %.2f"):format(
      name, a * 1e3, b * 1e3, plain_a * 1e3, plain_b * 1e3, ratio)
    if DECIDES_LATENCY then verdict(ratio <= LATENCY_GROWTH, "%s", text)
    else print("        " .. text) end
  end
end

io.stdout:setvbuf "line"
start_noise()
local start = os.clock()
local ok, err = pcall(casync.run, main)
stop_noise()
local names = {}
for name in pairs(counts) do names[#names + 1] = name end
table.sort(names)
for i, name in ipairs(names) do names[i] = ("%s %d"):format(name, counts[name]) end
print(("\nrounds in %.0f s of processor time: %s"):format(os.clock() - start,
  table.concat(names, ", ")))
if not ok then
  verdict(false, "%s", tostring(err))
else
  judge()
end
print(("\n%d passed, %d failed"):format(passed, failures))
os.exit(failures == 0)
