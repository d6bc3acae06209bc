local process = require "spec.support.process"

-- The end of our side cannot be sent: the peer waits for it, and we wait for
-- the peer.
local PROGRAM = [[
local casync = require "casync"
local await = casync.await
casync.run(function()
  local server <close> = await(casync.start_server(function(stream)
    local _ <close> = stream
    await(stream:write "welcome")
    await(stream:read())
  end, "127.0.0.1", 0))
  local host, port = server:sockets()[1]:getsockname()
  local stream <close> = await(casync.open_connection(host, port))
  await(stream:readexactly(7))
  await(stream:write_eof())
  local _ <close> = casync.timeout(20)
  local ok, err = pcall(await, stream:read(1))
  print(ok, casync.OSError:is(err) and err.code or err)
end)
]]

local function strace(...)
  return process.run {"strace", "-o", "/dev/null", "-e",
    "inject=shutdown:error=ENOTCONN:when=1", ...}
end

describe("a read that waits when writing fails #programs", function()
  it("fails, too", function()
    if strace("true").status ~= 0 then
      pending "strace is missing or cannot trace here"
      return
    end

    local result = strace(process.lua, "-e", PROGRAM)

    process.assert_ok(result, "the program")
    assert.equal("false\tENOTCONN\n", result.stdout)
  end)
end)
