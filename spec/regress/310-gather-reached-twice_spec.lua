-- A task whose gather one cancellation reached over two ways was taken for one
-- in a ring: it ended before the members of its gather.

local casync = require "casync"
local helper = require "spec.helper"
local async, settle, await = helper.async, helper.settle, casync.await

describe("a gather that a cancellation reaches over two ways", function()
  it("ends after its members, which are cancelled over each", async(function()
    local order = {}
    local member = casync.create_task(function()
      local _ <close> = setmetatable({}, {__close = function()
        await(casync.sleep(0))
        order[#order + 1] = "member"
      end})
      await(helper.newfuture())
    end)
    local inner = casync.create_task(function()
      local ok = pcall(await, casync.gather(member))
      order[#order + 1] = ok and "inner" or "inner cancelled"
    end)
    local other = casync.create_task(function() await(inner) end)
    local outer = casync.create_task(function()
      await(casync.gather(other, inner))
    end)
    settle()

    outer:cancel()
    local cancelling = {inner:cancelling(), member:cancelling()}
    settle()

    assert.are.same({"member", "inner cancelled"}, order)
    assert.are.same({2, 2}, cancelling)
  end))

  it("may have another gather behind it", async(function()
    local order = {}
    local member = casync.create_task(function()
      pcall(await, helper.newfuture())
      await(casync.sleep(0))
      order[#order + 1] = "member"
    end)
    local behind = casync.create_task(function()
      pcall(await, casync.gather(member, member))
      order[#order + 1] = "behind"
    end)
    local inner = casync.create_task(function()
      pcall(await, casync.gather(behind, behind))
      order[#order + 1] = "inner"
    end)
    local other = casync.create_task(function() await(inner) end)
    local outer = casync.create_task(function()
      await(casync.gather(other, inner))
    end)
    settle()

    outer:cancel()
    settle()

    assert.are.same({"member", "behind", "inner"}, order)
  end))
end)
