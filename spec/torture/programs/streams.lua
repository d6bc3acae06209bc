-- A TCP server and its client: lines, fixed sizes, more than a buffer holds.

local casync = require "casync"
local await = casync.await

local function serve(stream)
  local line = await(stream:readline())
  await(stream:write(line))
  await(stream:write(await(stream:readexactly(100000))))
  await(stream:drain())
  stream:close()
end

local function use(stream)
  await(stream:write "hello\n")
  local line = await(stream:readline())
  if line ~= "hello\n" then error "no line" end
  await(stream:write(("x"):rep(100000)))
  local data = await(stream:read())
  if not data or #data ~= 100000 then error "no data" end
end

return function(run)
  run(function()
    local server = await(casync.start_server(serve, "127.0.0.1", 0))
    local ok, err = pcall(function()
      local limit <close> = casync.timeout(3)
      local address, port = server:sockets()[1]:getsockname()
      local stream = await(casync.open_connection(address, port))
      local used, why = pcall(use, stream)
      stream:close()
      if not used then
        stream:abort()
        error(why, 0)
      end
      await(stream:wait_closed())
      limit:reschedule(nil)
    end)
    server:close()
    await(server:wait_closed())
    if not ok then error(err, 0) end

    local refused
    refused, err = pcall(await, casync.open_connection("127.0.0.1", 1))
    if refused or not casync.OSError:is(err) then error(err, 0) end
  end)
end
