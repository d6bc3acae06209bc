-- Looks up names, which happens in libuv's threads, and connects to one,
-- under failing system calls: see run.lua.

local casync = require "casync"

local await = casync.await

local SECONDS = 8

io.stdout:setvbuf "no"
io.open "/syscalls-begin"

local function attempt(what, fn)
  local ok, err = casync.pcall(function()
    local _ <close> = casync.timeout(SECONDS)
    fn()
  end)
  if ok then return end
  local kind = casync.OSError:is(err) and "failed" or
    casync.TimeoutError:is(err) and "LATE" or "BROKEN"
  print(("%s: %s: %s"):format(kind, what, err.code or tostring(err)))
end

local function main()
  attempt("lookup", function()
    local infos = await(casync.getaddrinfo("localhost", 80))
    if #infos == 0 then print "BROKEN: no address, and no error" end
  end)
  attempt("three lookups", function()
    await(casync.gather(casync.getaddrinfo("localhost", 1),
      casync.getaddrinfo("localhost", 2), casync.getaddrinfo("localhost", 3)))
  end)
  attempt("connection by name", function()
    local server <close> = await(casync.start_server(function(stream)
      local _ <close> = stream
      await(stream:write "hello")
    end, "127.0.0.1", 0))
    local _, port = server:sockets()[1]:getsockname()
    local stream <close> = await(casync.open_connection("localhost", port))
    await(stream:read())
  end)
end

local ok, err = pcall(casync.run, main)
if not ok then
  print((casync.OSError:is(err) and "failed: run: %s" or "BROKEN: run: %s")
    :format(casync.OSError:is(err) and err.code or tostring(err)))
end
print "done"
