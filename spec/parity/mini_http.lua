-- HTTP/1.1 with keep-alive: a hundred requests, pipelining, an idle time-out.
local casync = require "casync"
local async, await = casync.async, casync.await

local read_head = async(function(stream)
  local head = {}
  local first = await(stream:readline())
  if not first then return "", head end
  while true do
    local key, value = await(stream:readline()):match("^(.-): (.-)\r\n$")
    if not key then return first:gsub("\r\n", ""), head end
    head[key:lower()] = value
  end
end)

local function handle(stream, limit)
  local ok, e = pcall(function()
    while true do
      local first, head = await(casync.wait_for(read_head(stream), limit or 5))
      if first == "" then return end
      local method, path = first:match("^(%S+) (%S+)")
      local body = await(stream:readexactly(tonumber(head["content-length"] or 0)))
      local status, text = "404 Not Found", "nothing here"
      if path:find("^/echo") then
        status, text = "200 OK", #body > 0 and body or method .. " " .. path
      end
      await(stream:write(("HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s"):format(status, #text, text)))
      if head.connection == "close" then return end
    end
  end)
  if not ok then
    if not casync.TimeoutError:is(e) then error(e, 0) end
    stream:write("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
  end
  stream:close()
end

local read_response = async(function(stream)
  local first, head = await(read_head(stream))
  local body = await(stream:readexactly(tonumber(head["content-length"])))
  return tonumber(first:match(" (%d+) ")), body
end)

local session = async(function(port, name, requests)
  local stream <close> = await(casync.open_connection("127.0.0.1", port))
  local counts = { [200] = 0, [404] = 0, wrong = 0 }
  for i = 0, requests - 1 do
    local body = name .. i
    local path = i % 5 ~= 0 and "/echo" or "/missing"
    await(stream:write(("POST %s HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s"):format(path, #body, body)))
    local status, text = await(read_response(stream))
    counts[status] = counts[status] + 1
    if status == 200 and text ~= body then counts.wrong = counts.wrong + 1 end
  end
  return counts
end)

casync.run(function()
  local server = await(casync.start_server(handle, "127.0.0.1", 0))
  local _, port = server:sockets()[1]:getsockname()
  local results = { await(casync.gather(
    session(port, "a", 25), session(port, "b", 25), session(port, "c", 25), session(port, "d", 25))) }
  local ok, missing, wrong = 0, 0, 0
  for _, r in ipairs(results) do
    ok, missing, wrong = ok + r[200], missing + r[404], wrong + r.wrong
  end
  print(("ok %d missing %d wrong %d"):format(ok, missing, wrong))

  local stream = await(casync.open_connection("127.0.0.1", port))
  for i = 0, 3 do
    local last = i == 3 and "Connection: close\r\n" or ""
    stream:write(("GET /echo/%d HTTP/1.1\r\n%s\r\n"):format(i, last))
  end
  for _ = 0, 3 do
    local status, text = await(read_response(stream))
    print(("pipelined %d %s"):format(status, text))
  end
  print("closed " .. tostring(await(stream:read()) == ""))
  stream:close()

  server:close()
  await(server:wait_closed())

  server = await(casync.start_server(function(s) handle(s, 0.05) end, "127.0.0.1", 0))
  _, port = server:sockets()[1]:getsockname()
  stream = await(casync.open_connection("127.0.0.1", port))
  stream:write("GET /echo HTTP/1.1\r\n")
  print("idle " .. (await(read_response(stream))))
  print("closed " .. tostring(await(stream:read()) == ""))
  stream:close()
  server:close()
  await(server:wait_closed())
end)
