-- A turn that was cut off, as by the lack of memory, left its generator
-- "running" for ever: it could neither be asked again nor closed.

local casync = require "casync"
local cutoff = require "spec.support.cutoff"
local helper = require "spec.helper"

local await, sleep = casync.await, casync.sleep

describe("a generator whose turn was cut off", function()
  local function check(begin)
    local closed = 0
    local numbers = casync.generator(function(yield)
      local _ <close> = setmetatable({}, {__close = function()
        closed = closed + 1
      end})
      for i = 1, 10 do
        yield(i)
        await(sleep(0))
      end
    end)
    local opened = 0

    cutoff.everywhere(function(cut)
      local generator = numbers()
      if begin then generator() end
      opened = opened + 1
      pcall(cut, generator)
      await(generator:close())
      assert.matches("ended", tostring(generator))
      if begin then assert.equal(opened, closed) end
    end)
  end

  it("can be closed", helper.async(20, function() check(true) end))

  it("can be closed when that was its first turn", helper.async(20, function()
    check(false)
  end))
end)
