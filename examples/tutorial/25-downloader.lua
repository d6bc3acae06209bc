-- Twenty small pictures are downloaded from a server in this program, three
-- at a time, and counted by outcome as they come in; some are missing, one
-- makes the server stumble. First all at once with wait, then with a
-- semaphore, as_completed and errors that carry their cause.
-- Shows: Semaphore, as_completed, wait, Error:extend, cause.
local casync = require "casync"
local async, await = casync.async, casync.await

local FetchError = casync.Error:extend("FetchError")
local NotFound = casync.Error:extend("NotFound")
local ServerTrouble = casync.Error:extend("ServerTrouble")

local active, peak = 0, 0

local function serve(stream)
  active = active + 1
  peak = math.max(peak, active)
  local name = await(stream:readline()):match("^GET /(%S+)")
  repeat local line = await(stream:readline()) until line == "\r\n"
  await(casync.sleep(0.005))
  local status, body = "200 OK", "picture of " .. name
  if name:find("^lost") then status, body = "404 Not Found", "" end
  if name == "odd07" then status, body = "500 Internal Error", "" end
  stream:write(("HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s"):format(status, #body, body))
  stream:close()
  active = active - 1
end

local get = async(function(port, name)
  local stream <close> = await(casync.open_connection("127.0.0.1", port))
  stream:write(("GET /%s HTTP/1.1\r\nHost: localhost\r\n\r\n"):format(name))
  local status = await(stream:readline()):match(" (%d+)")
  repeat local line = await(stream:readline()) until line == "\r\n"
  if status == "404" then error(NotFound("no picture " .. name)) end
  if status ~= "200" then error(ServerTrouble("status " .. status)) end
  return await(stream:read())
end)

local download = async(function(port, name, semaphore)
  local ok, body = pcall(await, semaphore:with(function() return await(get(port, name)) end))
  if ok then return { name = name, status = "ok", size = #body } end
  if NotFound:is(body) then return { name = name, status = "not found", size = 0 } end
  local e = FetchError("cannot fetch " .. name, {cause = body})
  e.picture = name
  error(e)
end)

casync.run(function()
  local server <close> = await(casync.start_server(serve, "127.0.0.1", 0))
  local _, port = server:sockets()[1]:getsockname()
  local names = {}
  for i = 1, 20 do
    names[i] = (i % 6 == 0 and "lost%02d" or i % 7 == 0 and "odd%02d" or "flag%02d"):format(i)
  end

  local tasks = {}
  for i = 1, 5 do tasks[i] = casync.create_task(get(port, names[i])) end
  local done = await(casync.wait(tasks))
  print(#done .. " pictures at once, first: " .. tasks[1]:result())

  peak = 0
  local semaphore, todo = casync.Semaphore(3), {}
  for i, name in ipairs(names) do todo[i] = download(port, name, semaphore) end
  local counts, bytes, seen = { ok = 0, ["not found"] = 0, error = 0 }, 0, 0
  for future in casync.as_completed(todo) do
    local ok, result = pcall(await, future)
    seen = seen + 1
    if ok then
      counts[result.status] = counts[result.status] + 1
      bytes = bytes + result.size
    elseif FetchError:is(result) then
      counts.error = counts.error + 1
      print(("trouble with %s: %s"):format(result.picture, result.cause))
    else
      error(result)
    end
  end
  print(("%d seen: %d ok, %d not found, %d errors, %d bytes"):format(
    seen, counts.ok, counts["not found"], counts.error, bytes))
  print("never more than three at a time:", peak <= 3)
end)
