--- An echo server on cqueues, coroutine style.
-- Without an argument what comes goes back; with one, whole messages of that
-- many bytes do.

local cqueues = require "cqueues"
local socket = require "cqueues.socket"

local size = tonumber(arg[1])

local loop = cqueues.new()

local function echo(peer)
  peer:setmode("bf", "bf")
  peer:setvbuf("full", size or 65536)
  while true do
    -- A negative size asks for as many bytes at most.
    local data = peer:read(size or -65536)
    if not data or not peer:write(data) or not peer:flush() then break end
  end
  peer:close()
end

loop:wrap(function()
  local server = socket.listen {host = "127.0.0.1", port = 0, nodelay = true}
  assert(server:listen())
  local _, _, port = server:localname()
  print("port=" .. port)
  io.stdout:flush()
  for peer in server:clients() do loop:wrap(echo, peer) end
end)

assert(loop:loop())
