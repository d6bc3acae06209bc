-- A TCP echo server: three clients, serve_forever, closing the server.
local casync = require "casync"
local async, await = casync.async, casync.await

local function handle(stream)
  for text in stream:lines() do
    if text == "quit" then return stream:close() end
    await(stream:write("echo " .. text .. "\n"))
  end
end

local client = async(function(port, name)
  local stream <close> = await(casync.open_connection("127.0.0.1", port))
  local lines = {}
  for i = 0, 2 do
    await(stream:write(name .. i .. "\n"))
    lines[#lines + 1] = await(stream:readline()):gsub("\n", "")
  end
  stream:write("quit\n")
  lines[#lines + 1] = "end " .. tostring(await(stream:readline()) == nil)
  return table.concat(lines, ", ")
end)

local function port_of(server)
  local host, port = server:sockets()[1]:getsockname()
  return port, host
end

casync.run(function()
  local server = await(casync.start_server(handle, "127.0.0.1", 0))
  local port, host = port_of(server)
  print("listening on " .. host)
  local a, b, c = await(casync.gather(client(port, "a"), client(port, "b"), client(port, "c")))
  print(a)
  print(b)
  print(c)

  server:close()
  await(server:wait_closed())
  print("serving " .. tostring(server:is_serving()))
  local ok, e = pcall(await, casync.open_connection("127.0.0.1", port))
  if not ok and e.code == "ECONNREFUSED" then print("refused after close") end

  do
    local scoped <close> = await(casync.start_server(handle, "127.0.0.1", 0))
    port = port_of(scoped)
    print(await(client(port, "d")))
    local serving = casync.create_task(scoped:serve_forever())
    await(casync.sleep(0.01))
    print(await(client(port, "e")))
    serving:cancel()
    ok, e = pcall(await, serving)
    if not ok and casync.CancelledError:is(e) then print("serve_forever cancelled") end
  end

  server = await(casync.start_server(handle, "127.0.0.1", 0))
  ok, e = pcall(await, casync.start_server(handle, "127.0.0.1", (port_of(server))))
  if not ok and e.code == "EADDRINUSE" then print("address in use") end
  server:close()
  await(server:wait_closed())
end)
