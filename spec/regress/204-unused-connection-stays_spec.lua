-- A connection whose handler could not be called stayed open until it was
-- collected: its peer waited, and so did the server's 'wait_closed'.

local casync = require "casync"
local core = require "casync.core"
local helper = require "spec.helper"

local await = casync.await

describe("a connection that its handler refuses with an error", function()
  it("is closed at once", helper.async(function()
    local reports = helper.capture()
    local listener = core.tcp_listen(function() error("no", 0) end,
      "127.0.0.1", 0)
    listener:listen()

    local stream = await(casync.open_connection(listener:getsockname()))
    local _, err = pcall(function() assert.equal("", await(stream:read())) end)
    listener:close()
    await(listener:wait_closed())
    await(stream:abort())

    assert(err == nil or err.code == "ECONNRESET", tostring(err))
    assert.equal("no", reports[1].exception)
  end))
end)
