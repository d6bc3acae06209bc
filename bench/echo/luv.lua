--- An echo server on luv, with callbacks.
-- Without an argument what comes goes back; with one, whole messages of that
-- many bytes do.

local uv = require "luv"

local size = tonumber(arg[1])

local function close(peer)
  if not peer:is_closing() then peer:close() end
end

local function serve(peer)
  local parts, received = {}, 0
  peer:read_start(function(err, data)
    if err or not data then return close(peer) end
    if size then
      received = received + #data
      parts[#parts + 1] = data
      if received < size then return end
      data = table.concat(parts)
      parts, received = {}, 0
    end
    local n = peer:try_write(data) or 0
    if n < #data then peer:write(n > 0 and data:sub(n + 1) or data) end
  end)
end

local server = uv.new_tcp()
assert(server:bind("127.0.0.1", 0))
assert(server:listen(128, function(err)
  assert(not err, err)
  local peer = uv.new_tcp()
  server:accept(peer)
  peer:nodelay(true)
  serve(peer)
end))
print("port=" .. server:getsockname().port)
io.stdout:flush()
uv.run()
