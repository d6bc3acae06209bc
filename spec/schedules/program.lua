--- Random programs, as data that two interpreters understand: `casync.lua`
-- runs them on casync and `asyncio.py` on asyncio.
--
-- A program is {seed, roots}, where 'roots' are bodies, one for each task that
-- the main task starts. A body is {label, steps}: the labels count the bodies
-- in the order in which they were made. A step is {number, op, ...}; a list
-- of steps or bodies may be among its arguments. Arrays, numbers, strings and
-- booleans are all there is, so that the same text can be read in both worlds.
--
-- Programs of even seeds keep to what asyncio has, too ("twins").

local program = {}

-- Most steps and bodies of a program, and how deep they nest.
local STEPS, BODIES, DEPTH = 60, 14, 4

function program.has_twin(p) return p[1] % 2 == 0 end

--- The program of a seed.
function program.generate(seed)
  local R = math.random
  math.randomseed(seed)
  local nsteps, nbodies = 0, 0
  local twin = seed % 2 == 0
  local steps

  local function body(depth)
    nbodies = nbodies + 1
    local label = nbodies
    return {label, steps(label, depth, R(3))}
  end

  local function chance(p) return R() < p end
  local function label() return R(12) end
  local function delay() return R(0, 3) end

  -- A task to wait for, a younger one: a ring of tasks that wait for each
  -- other has no end.
  local function other(me) return me + R(4) end

  -- Something to wait for: {"task", body}, {"coro", body} or {"label", l}.
  local function member(me, depth, nocoro)
    if depth >= DEPTH or nbodies >= BODIES or chance(0.2) then
      return {"label", other(me)}
    end
    return {(nocoro or chance(0.5)) and "task" or "coro", body(depth + 1)}
  end

  local function members(me, depth, nocoro)
    local list = {}
    for i = 1, R(3) do list[i] = member(me, depth, nocoro) end
    return list
  end

  -- What a callback may do.
  local function callback()
    local kinds = {
      {"ev_set", R(2)}, {"fut_set", R(3)}, {"fut_cancel", R(3)},
      {"fut_fail", R(3)}, {"cancel", label()}, {"raise", 1}, {"ev_clear", R(2)},
    }
    local list = {}
    for i = 1, R(2) do
      nsteps = nsteps + 1
      list[i] = {nsteps, table.unpack(kinds[R(#kinds)])}
    end
    return list
  end

  -- weight, maker(me, depth): the arguments of a step.
  local leaves = {
    sleep = {10, function() return delay() end},
    busy = {2, function() return R(2) end},
    ev_set = {3, function() return R(2) end},
    ev_clear = {2, function() return R(2) end},
    ev_wait = {3, function() return R(2) end},
    fut_await = {3, function() return R(3) end},
    fut_set = {2, function() return R(3) end},
    fut_fail = {1, function() return R(3) end},
    fut_cancel = {1, function() return R(3) end},
    fut_new = {1, function() return R(3) end},
    fut_callback = {2, function() return R(3), callback() end},
    cancel = {8, label},
    uncancel = {1, function() end},
    cancelling = {1, function() end},
    await_task = {5, other},
    result = {1, label},
    done_callback = {2, function() return label(), callback() end},
    barrier = {3, function() return R(2) end},
    notify = {3, function() return R(2), R(0, 2) end},
    cond_wait = {3, function() return R(2) end},
    raise = {3, function() return R(3) end},
    call_soon = {2, callback},
    call_later = {2, function() return delay(), callback() end},
    call_cancel = {1, function() return R(3) end},
    reschedule = {2, delay},
    var_set = {1, function() end},
    var_get = {1, function() end},
  }
  local compounds = {
    lock = {8, function(me, d) return R(2), steps(me, d + 1, R(2)) end},
    sem = {5, function(me, d) return R(2), steps(me, d + 1, R(2)) end},
    spawn = {8, function(_, d) return body(d + 1) end},
    call = {2, function(_, d) return body(d + 1) end},
    timeout = {6, function(me, d) return delay(), steps(me, d + 1, R(3)) end},
    try = {6, function(me, d) return steps(me, d + 1, R(2)) end},
    swallow = {2, function(me, d)
      return chance(0.5), steps(me, d + 1, R(2))
    end},
    finally = {4, function(me, d)
      return steps(me, d + 1, R(2)), steps(me, d + 1, R(2))
    end},
    wait_for = {4, function(me, d) return delay(), member(me, d) end},
    shield = {4, member},
    gather = {5, function(me, d) return chance(0.5), members(me, d) end},
    wait = {4, function(me, d)
      return delay(), R(3), members(me, d, true)
    end},
    completed = {3, function(me, d) return R(3), members(me, d, true) end},
    group = {7, function(me, d)
      local children = {}
      for i = 1, R(3) do
        children[i] = nbodies < BODIES and body(d + 1) or nil
      end
      return children, steps(me, d + 1, R(0, 2))
    end},
    generator = {3, function(me, d)
      return R(3), R(4), steps(me, d + 1, 1), steps(me, d + 1, R(0, 2))
    end},
  }
  if not twin then
    leaves.put = {8, function() return R(4) end}
    leaves.get = {8, function() return R(4) end}
    leaves.put_nowait = {3, function() return R(4) end}
    leaves.get_nowait = {3, function() return R(4) end}
    leaves.join = {1, function() return R(4) end}
    leaves.task_done = {2, function() return R(4) end}
    leaves.iterate = {1, function() return R(4), R(3) end}
    leaves.gc = {4, function() return chance(0.2) end}
    leaves.raise_odd = {2, function() return R(3) end}
    leaves.barrier_end = {1, function() return R(2), chance(0.7) end}
    leaves.group_cancel = {2, function() end}
    leaves.checkpoint = {2, function() end}
    leaves.generator_left = {1, function() return R(2) end}
    compounds.eager = {2, compounds.spawn[2]}
    compounds.shielded = {4, function(me, d) return steps(me, d + 1, R(3)) end}
    compounds.move_on = {4, compounds.timeout[2]}
    compounds.completed_by = {2, function(me, d)
      return delay(), members(me, d)
    end}
    compounds.start = {2, function(_, d) return chance(0.7), body(d + 1) end}
    compounds.map = {2, function(me, d)
      return R(3), R(2), chance(0.5), steps(me, d + 1, 1)
    end}
  end

  local function choices(...)
    local names, total = {}, 0
    for _, set in ipairs {...} do
      for name in pairs(set) do names[#names + 1] = name end
    end
    table.sort(names)
    local list = {}
    for i, name in ipairs(names) do
      local maker = leaves[name] or compounds[name]
      total = total + maker[1]
      list[i] = {total, name, maker[2]}
    end
    return list
  end
  local all, simple = choices(leaves, compounds), choices(leaves)

  local function step(me, depth)
    nsteps = nsteps + 1
    local number = nsteps
    local from = (depth >= DEPTH or nbodies >= BODIES) and simple or all
    local r = R(from[#from][1])
    for _, choice in ipairs(from) do
      if r <= choice[1] then
        return {number, choice[2], choice[3](me, depth)}
      end
    end
  end

  steps = function(me, depth, n)
    local list = {}
    for i = 1, n do
      if nsteps >= STEPS then break end
      list[i] = step(me, depth)
    end
    return list
  end

  local roots = {}
  for i = 1, R(2, 6) do roots[i] = body(1) end
  return {seed, roots}
end

--- As text: JSON on one line.
function program.encode(value)
  if type(value) ~= "table" then
    return type(value) == "string" and ('"%s"'):format(value)
      or tostring(value)
  end
  local parts = {}
  for i, v in ipairs(value) do parts[i] = program.encode(v) end
  return "[" .. table.concat(parts, ",") .. "]"
end

function program.decode(text)
  return load("return " .. text:gsub("[%[%]]", {["["] = "{", ["]"] = "}"}))()
end

local function isstep(v)
  return type(v) == "table" and math.type(v[1]) == "integer"
    and type(v[2]) == "string"
end

-- A copy in which the list at 'path' has its element 'i' replaced by those
-- of 'instead'.
local function replaced(value, path, depth, i, instead)
  local copy = {}
  if depth > #path then
    table.move(value, 1, i - 1, 1, copy)
    table.move(instead, 1, #instead, i, copy)
    table.move(value, i + 1, #value, #copy + 1, copy)
    return copy
  end
  for k, v in ipairs(value) do copy[k] = v end
  copy[path[depth]] = replaced(value[path[depth]], path, depth + 1, i, instead)
  return copy
end

local function islist(v, of)
  if type(v) ~= "table" then return false end
  for _, e in ipairs(v) do if not of(e) then return false end end
  return #v > 0
end

local function isbody(v)
  return type(v) == "table" and #v == 2 and math.type(v[1]) == "integer"
    and type(v[2]) == "table"
end

--- All programs that are smaller by one step, or by one task, or that have
--- the inner steps of a step in its place.
function program.smaller(p)
  local list = {}
  local function visit(value, path)
    if type(value) ~= "table" then return end
    local steps = islist(value, isstep)
    if steps or (#path > 0 and islist(value, isbody)) then
      for i, e in ipairs(value) do
        list[#list + 1] = replaced(p, path, 1, i, {})
        for _, inner in ipairs(steps and e or {}) do
          if islist(inner, isstep) then
            list[#list + 1] = replaced(p, path, 1, i, inner)
          end
        end
      end
    end
    for i, e in ipairs(value) do
      path[#path + 1] = i
      visit(e, path)
      path[#path] = nil
    end
  end
  visit(p, {})
  return list
end

--- For people: one step a line.
function program.print(p)
  local lines = {}
  local function visit(value, indent)
    if isstep(value) then
      local words, inner = {value[1], value[2]}, {}
      for i = 3, #value do
        local v = value[i]
        if type(v) == "table" then inner[#inner + 1] = v
        else words[#words + 1] = tostring(v) end
      end
      lines[#lines + 1] = indent .. table.concat(words, " ")
      for _, v in ipairs(inner) do visit(v, indent .. "  ") end
    elseif isbody(value) and not isstep(value[1]) then
      lines[#lines + 1] = indent .. "task body " .. value[1]
      visit(value[2], indent .. "  ")
    elseif type(value) == "table" then
      if type(value[1]) == "string" then
        lines[#lines + 1] = indent .. value[1] .. " "
          .. (type(value[2]) == "table" and "" or value[2])
      end
      if #value == 0 then lines[#lines + 1] = indent .. "-" end
      for _, v in ipairs(value) do
        if type(v) == "table" then visit(v, indent .. "  ") end
      end
    end
  end
  visit(p[2], "")
  return table.concat(lines, "\n")
end

return program
