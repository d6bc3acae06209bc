-- More connections than libuv's first table of descriptors holds.

local casync = require "casync"
local await = casync.await

local N = 12

return function(run)
  run(function()
    local server = await(casync.start_server(function(stream)
      local byte = await(stream:read(1))
      if byte then await(stream:write(byte)) end
    end, "127.0.0.1", 0))
    local address, port = server:sockets()[1]:getsockname()
    local ok, err = pcall(function()
      local _ <close> = casync.timeout(3)
      local streams = {}
      for i = 1, N do
        streams[i] = await(casync.open_connection(address, port))
      end
      for i = 1, N do await(streams[i]:write "x") end
      for i = 1, N do
        if await(streams[i]:read(1)) ~= "x" then error "no answer" end
      end
    end)
    server:close()
    server:abort_clients()
    await(server:wait_closed())
    if not ok then error(err, 0) end
  end)
end
