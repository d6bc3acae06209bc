-- A writer is held back until its slow reader reads; half close.
local casync = require "casync"
local await = casync.await

local SIZE = 16 * 1024 * 1024
local log = {}

local function note(s) log[#log + 1] = s end

casync.run(function()
  local go, connected = casync.Event(), casync.Event()
  local finished = casync.get_running_loop():create_future()

  local server = await(casync.start_server(function(stream)
    note("connected")
    connected:set()
    await(go:wait())
    note("reading")
    local total = 0
    for data in function() return await(stream:read(65536)) end do total = total + #data end
    finished:set_result(total)
    stream:write("got " .. total)
    stream:close()
  end, "127.0.0.1", 0))
  local _, port = server:sockets()[1]:getsockname()
  local stream = await(casync.open_connection("127.0.0.1", port))
  await(connected:wait())
  await(stream:write("small"))
  note("small write does not wait")
  stream:write(("x"):rep(SIZE))

  local task = casync.create_task(function()
    await(stream:drain())
    note("drained")
  end)
  await(casync.sleep(0.05))
  note("held back " .. tostring(not task:done()))
  go:set()
  await(task)
  stream:write_eof()
  note("half closed")
  note(tostring(await(finished) - #"small" == SIZE))
  note(await(stream:read()))
  stream:close()
  await(stream:wait_closed())
  note("closing " .. tostring(stream:is_closing()))
  server:close()
  for _, line in ipairs(log) do print(line) end
end)
