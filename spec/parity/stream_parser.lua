-- Reading a stream in pieces: lines, separators, exact counts, limits, EOF.
local casync = require "casync"
local await = casync.await

local function text(data)
  if data == nil or data == "" then return "<nothing>" end
  return (data:gsub("\r", "\\r"):gsub("\n", "\\n"))
end

local pieces = {
  "first li", "ne\nsecond\nthi", "rd|fou", "r", "th||", "12345", "67890abc",
  "\r\n\r", "\nremain", "der",
}

local function handle(stream)
  for _, piece in ipairs(pieces) do
    await(stream:write(piece))
    await(casync.sleep(0.003))
  end
  stream:close()
end

local function flood(stream)
  stream:write(("x"):rep(300) .. "\n" .. "short\n" .. ("y"):rep(10))
  stream:close()
end

local function attempt(title, aw)
  local ok, value = pcall(await, aw)
  if ok then
    print(title .. ": " .. text(value))
  elseif casync.IncompleteReadError:is(value) then
    print(("%s: IncompleteReadError %s of %d"):format(title, text(value.partial), value.expected))
  elseif casync.LimitOverrunError:is(value) then
    print(title .. ": LimitOverrunError")
  else
    error(value, 0)
  end
end

local function serve(handler)
  local server = await(casync.start_server(handler, "127.0.0.1", 0))
  local _, port = server:sockets()[1]:getsockname()
  return server, port
end

casync.run(function()
  local server, port = serve(handle)
  local stream = await(casync.open_connection("127.0.0.1", port))
  attempt("line", stream:readline())
  attempt("line", stream:readline())
  attempt("until |", stream:readuntil("|"))
  attempt("until ||", stream:readuntil("||"))
  attempt("exactly 10", stream:readexactly(10))
  attempt("exactly 0", stream:readexactly(0))
  attempt("read 0", stream:read(0))
  attempt("until blank line", stream:readuntil("\r\n\r\n"))
  attempt("read 3", stream:read(3))
  print("at end " .. tostring(stream:at_eof()))
  attempt("exactly 20", stream:readexactly(20))
  attempt("read at end", stream:read(5))
  attempt("rest at end", stream:read())
  attempt("exactly at end", stream:readexactly(1))
  print("at end " .. tostring(stream:at_eof()))
  stream:close()

  stream = await(casync.open_connection("127.0.0.1", port))
  attempt("all", stream:read())
  stream:close()
  server:close()

  server, port = serve(flood)
  stream = await(casync.open_connection("127.0.0.1", port, {limit = 100}))
  attempt("over the limit", stream:readuntil("\n"))
  print("nothing was lost: " .. #await(stream:readexactly(301)))
  attempt("goes on", stream:readline())
  attempt("unfinished line", stream:readline())
  stream:close()
  server:close()
end)
