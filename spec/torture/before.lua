--- What the host of the torture asks of Lua (see host.c): how a program runs,
-- what its error may be, and what must be possible afterwards.
--
-- A program is a file that returns a function. It is called with `run`, which
-- runs a main function as casync.run does. What the file does before is not
-- tortured.

local before = {}

local loops = table.pack(("."):rep(20):byte(1, 20))     -- no growing later
local nloops = 0
local runner            -- of the loop that stays open

--- Called when the program is loaded: from now on loops are remembered.
function before.prepare()
  local core = package.loaded["casync.core"]
  if not core then return end
  local new = core.new_event_loop
  function core.new_event_loop()
    local loop = new()
    nloops = nloops + 1
    loops[nloops] = loop
    return loop
  end
end

--- For programs: with a loop that is closed at the end, or one that is left
-- open for what comes afterwards.
function before.run(...)
  return require "casync".run(...)
end

function before.run_open(main, ...)
  runner = runner or require "casync".Runner()
  return runner:run(main, ...)
end

-- Lua's message, libuv's (ENOBUFS: nothing to read into), and that of
-- luaL_checkstack, which cannot tell lack of memory from lack of stack.
local function tells(text)
  return text:find "not enough memory" or text:find "ENOMEM"
    or text:find "ENOBUFS" or text:find "^stack overflow"
end

local function lacksmemory(err)
  for _, inner in ipairs(type(err) == "table" and err.errors or {}) do
    if lacksmemory(inner) then return true end
  end
  return tells(tostring(err))
end

--- The program ended by an error: it must tell of the lack of memory, or some
-- report must have done so.
function before.outcome(err)
  io.stderr:write("error: ", tostring(err), "\n")
  if lacksmemory(err) or tells(host.printed()) then return nil end
  return tostring(err)
end

local function echo(casync)
  local await = casync.await
  local server = await(casync.start_server(function(stream)
    await(stream:write(await(stream:read())))
    stream:close()
  end, "127.0.0.1", 0))
  local address, port = server:sockets()[1]:getsockname()
  local stream = await(casync.open_connection(address, port))
  await(stream:write "hello")
  stream:write_eof()
  local answer = await(stream:read())
  await(stream:abort())
  server:close()
  await(server:wait_closed())
  return answer
end

--- Does casync work?
local function works()
  local casync = require "casync"
  local await, sleep = casync.await, casync.sleep
  local delayed = casync.create_task(function()
    await(sleep(0.001))
    return 41
  end)
  local now = casync.async(function() return await(sleep(0, 1)) end)
  local a, b = await(casync.gather(delayed, now()))
  assert(a + b == 42)
  assert(echo(casync) == "hello")
end

--- There is memory again: can the loop be used, is it closed after that, and
-- can others be made?
function before.afterwards(open)
  if open and runner then
    runner:run(works)
    runner:close()
  end
  for i = 1, nloops do
    if not loops[i]:is_closed() then return "a loop is open" end
  end
  require "casync".run(works)
  return nil
end

return before
