-- getaddrinfo asked the resolver for port 0 when none was given; there is no
-- such service of raw sockets, so it always failed.

local casync = require "casync"
local helper = require "spec.helper"

describe("getaddrinfo for raw sockets", function()
  it("finds the addresses of a name", helper.async(function()
    local list = casync.await(casync.getaddrinfo("localhost", nil,
      {type = "raw"}))

    assert.equal("raw", list[1].type)
    assert.equal("ip", list[1].protocol)
    assert.equal(0, list[1].port)
  end))
end)
