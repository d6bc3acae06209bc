--- An echo server on casync, coroutine style.
-- Without an argument what comes goes back; with one, whole messages of that
-- many bytes do.

local casync = require "casync"

local await = casync.await

local size = tonumber(arg[1])

local function echo(stream)
  while true do
    local data = await(stream:read(65536))
    if not data then return end
    await(stream:write(data))
  end
end

local function echowhole(stream)
  while not stream:at_eof() do
    await(stream:write(await(stream:readexactly(size))))
  end
end

casync.run(function()
  local server <close> = await(casync.start_server(function(stream)
    local s <close> = stream
    pcall(size and echowhole or echo, s)        -- until it is closed
  end, "127.0.0.1", 0))
  local _, port = server:sockets()[1]:getsockname()
  print("port=" .. port)
  io.stdout:flush()
  await(server:serve_forever())
end)
