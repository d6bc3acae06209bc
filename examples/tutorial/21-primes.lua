-- An async generator yields prime numbers and awaits between trials, so that
-- another task, checking the letter box, gets its turn meanwhile.
-- Shows: generator, for over it, a task running alongside.
local casync = require "casync"
local async, await = casync.async, casync.await

local is_prime = async(function(n)
  if n < 2 then return false end
  for i = 2, math.floor(math.sqrt(n)) do
    await(casync.sleep(0))
    if n % i == 0 then return false end
  end
  return true
end)

local primes = casync.generator(function(yield, limit)
  local n, found = 0, 0
  while found < limit do
    n = n + 1
    if await(is_prime(n)) then
      yield(n)
      found = found + 1
    end
  end
end)

local looks = 0

local check_letters = async(function()
  while true do
    looks = looks + 1
    await(casync.sleep(0))
  end
end)

casync.run(function()
  local letters = casync.create_task(check_letters())
  local line = {}
  for p in primes(20) do line[#line + 1] = p end
  print(table.concat(line, " "))
  print("looked into the letter box meanwhile:", looks > 100)
  letters:cancel()

  for p in primes(1000) do
    if p > 50 then
      print("left at " .. p)
      goto out
    end
  end
  ::out::
end)
