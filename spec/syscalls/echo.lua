-- Servers and clients of every sort in one process, under failing system
-- calls: see run.lua. They keep account of what was confirmed as sent and
-- of what was received, and print it; whatever else fails may fail.

local casync = require "casync"
local core = require "casync.core"

local await = casync.await

local PIECE = 65536
local SECONDS = 10              -- for one exchange

io.stdout:setvbuf "no"

local say = function(...) io.write(string.format(...), "\n") end

-- Much more than a socket's buffer holds here (see shim.c), and no place in it
-- looks like another.
local data
do
  local numbers = {}
  for i = 1, 60000 do numbers[i] = ("%d\n"):format(i + 1000000) end
  data = table.concat(numbers)
end

-- Read by run.lua: from here on calls may fail.
io.open "/syscalls-begin"


-- What goes one way ---------------------------------------------------------

--- sent and got are strings; confirmed: its sender's close() was well; eof:
-- its receiver saw the end and no error.
local function Transfer()
  return {sent = "", got = {}, confirmed = false, eof = false}
end

local function send(stream, transfer, bytes, size)
  transfer.sent = transfer.sent .. bytes
  size = size or math.max(1, #bytes)
  for at = 1, #bytes, size do
    await(stream:write(bytes:sub(at, at + size - 1)))
  end
end

local function close(stream, transfer)
  await(stream:close())
  transfer.confirmed = true
end

--- Read to the end, and say how much the stream has given and how it ended:
-- run.lua compares it with what the system gave to the process.
local function receive(stream, transfer)
  local fd = stream:get_extra_info "fd"
  local count, ended = 0, "?"
  local ok, err = pcall(function()
    while true do
      local piece = await(stream:read(PIECE))
      if not piece then break end
      count = count + #piece
      transfer.got[#transfer.got + 1] = piece
    end
  end)
  if ok then
    transfer.eof, ended = true, "eof"
  elseif casync.OSError:is(err) then
    ended = "error"
  end
  say("received %d on %s: %s", count, tostring(fd), ended)
  if not ok then error(err, 0) end
end

local function check(what, transfer)
  local got, sent = table.concat(transfer.got), transfer.sent
  if got ~= sent:sub(1, #got) then
    say("BROKEN: %s: other bytes were received than sent", what)
  elseif #got < #sent and transfer.confirmed and transfer.eof then
    say("BROKEN: %s: %d bytes of %d came, and nobody got an error", what,
        #got, #sent)
  end
end


-- Exchanges -----------------------------------------------------------------

local exchanges = {}

--- One connection: 'serve' and 'visit' get a stream and the transfers there
-- (up) and back (down).
local function exchange(name, serve, visit)
  exchanges[#exchanges + 1] = {name = name, run = function()
    local up, down = Transfer(), Transfer()
    local _ <close> = setmetatable({}, {__close = function()
      check(name .. ", to the server", up)
      check(name .. ", from the server", down)
    end})
    local server <close> = await(casync.start_server(function(stream)
      serve(stream, up, down)
    end, "127.0.0.1", 0))
    local host, port = server:sockets()[1]:getsockname()
    local stream <close> = await(casync.open_connection(host, port))
    visit(stream, up, down)
  end}
end

exchange("lines", function(stream)
  for line in stream:lines() do await(stream:write(line .. "\n")) end
  await(stream:close())
end, function(stream)
  for i = 1, 3 do
    await(stream:write(("line %d\n"):format(i)))
    local answer = await(stream:readline())
    if not answer then say "ended: lines" return end
    if answer ~= ("line %d\n"):format(i) then say "BROKEN: another line" end
  end
  await(stream:close())
end)

exchange("upload", function(stream, up)
  receive(stream, up)
  await(stream:close())
end, function(stream, up)
  send(stream, up, data)
  close(stream, up)
end)

exchange("upload, closed at once", function(stream, up)
  receive(stream, up)
  await(stream:close())
end, function(stream, up)
  up.sent = data
  stream:write(data)
  close(stream, up)
end)

exchange("download", function(stream, _, down)
  send(stream, down, data, PIECE)
  close(stream, down)
end, function(stream, _, down)
  receive(stream, down)
end)

exchange("half closed", function(stream, up, down)
  receive(stream, up)
  send(stream, down, table.concat(up.got):upper())
  close(stream, down)
end, function(stream, up, down)
  send(stream, up, "what is asked")
  await(stream:write_eof())
  receive(stream, down)
  close(stream, up)
end)

exchange("unread input", function(stream, _, down)
  await(stream:readline())
  send(stream, down, data:sub(1, 100000))
  close(stream, down)
end, function(stream, _, down)
  await(stream:write("first\n" .. ("x"):rep(40000)))
  receive(stream, down)
end)

exchange("given up and read again", function(stream, _, down)
  await(casync.sleep(0.02))
  send(stream, down, "late")
  close(stream, down)
end, function(stream, _, down)
  local ok, err = pcall(function()
    local _ <close> = casync.timeout(0.001)
    down.got[1] = await(stream:read(PIECE))
  end)
  if not ok and not casync.TimeoutError:is(err) then error(err, 0) end
  receive(stream, down)
end)

exchange("aborted", function(stream)
  await(stream:readline())
  stream:abort()
end, function(stream)
  await(stream:write "hello\n")
  local ok, err = pcall(await, stream:read(10))
  if not ok and err.code ~= "ECONNRESET" then error(err, 0) end
end)

exchanges[#exchanges + 1] = {name = "two addresses", run = function()
  local closed = await(casync.start_server(print, "127.0.0.1", 0))
  local _, nobody = closed:sockets()[1]:getsockname()
  await(closed:close())
  local server <close> = await(casync.start_server(function(stream)
    local _ <close> = stream
  end, "127.0.0.1", 0))
  local _, port = server:sockets()[1]:getsockname()
  local stream <close> = await(core.tcp_connect({
    {address = "127.0.0.1", port = nobody},
    {address = "127.0.0.1", port = port},
  }, nil, 0.25))
  if await(stream:read(1)) then say "BROKEN: a byte from nowhere" end
end}

exchanges[#exchanges + 1] = {name = "many", run = function()
  local server <close> = await(casync.start_server(function(stream)
    local _ <close> = stream
    await(stream:write(await(stream:read(10)) or ""))
  end, "127.0.0.1", 0))
  local host, port = server:sockets()[1]:getsockname()
  local group <close> = casync.TaskGroup()
  for _ = 1, 4 do
    group:create_task(function()
      local stream <close> = await(casync.open_connection(host, port))
      await(stream:write "hello")
      if not await(stream:read(10)) then say "ended: many" end
    end)
  end
end}


-- All of them, twice: the second time on another loop ------------------------

--- Print each error inside the value, by its code or its text.
local function tell(where, err)
  if type(err) == "table" and err.errors and casync.ExceptionGroup:is(err) then
    for _, inner in ipairs(err.errors) do tell(where, inner) end
  elseif casync.OSError:is(err) then
    say("failed: %s: %s in %s", where, err.code, tostring(err.syscall))
  elseif casync.TimeoutError:is(err) then
    say("LATE: %s", where)
  elseif casync.Error:is(err) then
    say("failed: %s: %s", where, err.name or tostring(err))
  else
    say("BROKEN: %s: %s", where, tostring(err))
  end
end

local function main()
  casync.get_running_loop():set_exception_handler(function(_, context)
    tell("report", context.exception or context.message)
  end)
  for _, one in ipairs(exchanges) do
    local ok, err = casync.pcall(function()
      local _ <close> = casync.timeout(SECONDS)
      one.run()
    end)
    if not ok then tell(one.name, err) end
  end
end

for round = 1, 2 do
  say("round %d", round)
  local ok, err = pcall(casync.run, main)
  if not ok then tell("run", err) end
end
say "done"
