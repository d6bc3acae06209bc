-- Connections that fail, break off, are cancelled or time out.
local casync = require "casync"
local await = casync.await

local function serve(handler)
  local server = await(casync.start_server(handler, "127.0.0.1", 0))
  local _, port = server:sockets()[1]:getsockname()
  return server, port
end

local function connect(port) return await(casync.open_connection("127.0.0.1", port)) end

casync.run(function()
  local server, port = serve(function(stream)
    await(stream:read(1))
    stream:close()
  end)
  local stream = connect(port)
  local ok, e = pcall(await, casync.wait_for(stream:readline(), 0.01))
  if not ok and casync.TimeoutError:is(e) then print("read timed out") end
  local task = casync.create_task(stream:readexactly(5))
  await(casync.sleep(0))
  task:cancel()
  ok, e = pcall(await, task)
  if not ok and casync.CancelledError:is(e) then print("read cancelled") end
  task = casync.create_task(stream:readline())
  await(casync.sleep(0))
  if not pcall(function() await(stream:readline()) end) then print("two readers at once are refused") end
  stream:write("x")
  print("end of file " .. tostring(await(task) == nil))
  stream:close()
  await(stream:wait_closed())
  server:close()
  await(server:wait_closed())

  ok, e = pcall(connect, port)
  if not ok and casync.OSError:is(e) and e.code == "ECONNREFUSED" then print("nobody listens") end

  server, port = serve(function(peer)
    peer:write("12345")
    peer:close()
  end)
  stream = connect(port)
  task = casync.create_task(stream:readexactly(10))
  ok, e = pcall(await, task)
  if not ok and casync.IncompleteReadError:is(e) then
    print("incomplete " .. e.partial .. " " .. e.expected)
  end
  stream:close()
  stream = connect(port)
  ok, e = pcall(await, stream:readuntil("!"))
  if not ok and casync.IncompleteReadError:is(e) then print("separator missing " .. e.partial) end
  stream:close()
  server:close()

  local ended = casync.get_running_loop():create_future()
  server, port = serve(function(peer)
    local count = 0
    for _ in peer:lines() do count = count + 1 end
    ended:set_result(count)
    peer:close()
  end)
  stream = connect(port)
  stream:write("one\ntwo\nthree")
  stream:close()
  print("lines before the peer closed " .. await(ended))
  server:close()
end)
