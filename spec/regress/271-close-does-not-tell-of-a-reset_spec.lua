local casync = require "casync"
local helper = require "spec.helper"

local await = casync.await

describe("stream:close", function()
  it("fails when the peer resets before it has got all", helper.async(function()
    local peer = helper.newfuture()
    local server <close> = await(casync.start_server(function(stream)
      peer:set_result(stream)
    end, "127.0.0.1", 0))
    local host, port = server:sockets()[1]:getsockname()
    local stream = await(casync.open_connection(host, port))
    await(peer)
    stream:write(("x"):rep(2000000))      -- the system takes more or less of it

    local closed = stream:close()
    await(casync.sleep(0.05))
    peer:result():abort()

    local err = helper.raises(casync.OSError, await, closed)
    assert.is_truthy(err.code == "ECONNRESET" or err.code == "EPIPE", err.code)
  end))
end)
