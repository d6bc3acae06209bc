-- Three pages are fetched at the same time over plain streams from a small
-- server in this very program, and their first lines shown.
-- Shows: start_server, open_connection, readline, lines, wait on tasks.
local casync = require "casync"
local async, await = casync.async, casync.await

local pages = {
  ["/cave.txt"] = "THE CAVE\n\nYou are in a dark cave.\nA lamp is here.\nExits: north.\n",
  ["/ship.txt"] = "THE SHIP\n\n\nWaves.\nA captain looks at you.\nHe says nothing.\n",
  ["/inn.txt"] = "THE INN\nWarm and full.\n\nSomeone sings.\nA dog sleeps.\n",
}

local function serve(stream)
  local path = await(stream:readline()):match("^GET (%S+)")
  repeat local line = await(stream:readline()) until line == "\r\n"
  local body = pages[path]
  await(casync.sleep(0.01 * #path))
  stream:write(("HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"):format(#body))
  await(stream:write(body))
  stream:close()
end

local preview = async(function(port, path)
  local stream <close> = await(casync.open_connection("127.0.0.1", port))
  stream:write(("GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n"):format(path))
  repeat local line = await(stream:readline()) until line == "\r\n"
  local shown = { path }
  for line in stream:lines() do
    if line ~= "" and #shown < 4 then shown[#shown + 1] = "  " .. line end
  end
  return table.concat(shown, "\n")
end)

casync.run(function()
  local server <close> = await(casync.start_server(serve, "127.0.0.1", 0))
  local _, port = server:sockets()[1]:getsockname()
  local tasks = {}
  for i, path in ipairs { "/cave.txt", "/ship.txt", "/inn.txt" } do
    tasks[i] = casync.create_task(preview(port, path))
  end
  await(casync.wait(tasks))
  for _, task in ipairs(tasks) do print(task:result()) end
end)
