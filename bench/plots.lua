--- Draw the results of `make bench` as SVG: bars of the main table, and how
-- some workloads grow. Both axes that measure are logarithmic.
--
--   lua5.4 bench/plots.lua RESULTS FOLDER

local report = dofile((arg[0]:match("^(.*/)") or "./") .. "report.lua")
local results = dofile(arg[1])
local folder = arg[2]

local COLOURS = {
  casync = "#c1121f", libuv = "#00798c", bare = "#6c757d", asyncio = "#2a6f97", uvloop = "#61a5c2",
  luv = "#e09f3e", cqueues = "#9c6644", go = "#2d8659", node = "#7b4fa3",
}
local OTHERS = {"#bc5090", "#343a40", "#94a84a"}  -- for peers added later
for _, peer in ipairs(results.peers) do
  COLOURS[peer] = COLOURS[peer] or table.remove(OTHERS, 1) or "#000000"
end


-- ---- drawing -------------------------------------------------------------

local out

local function draw(form, ...) out[#out + 1] = form:format(...) end

local function escape(text)
  return (text:gsub("[&<>]", {["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;"}))
end

--- A text; `place` is start, middle or end.
local function text(x, y, place, size, what, colour)
  draw('<text x="%.1f" y="%.1f" text-anchor="%s" font-size="%d" fill="%s">%s</text>', x, y, place,
    size, colour or "#222", escape(what))
end

local function line(x1, y1, x2, y2, colour)
  draw('<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s"/>', x1, y1, x2, y2, colour)
end

--- About how wide a text is.
local function width(what, size) return #what * size * 0.56 end

--- Write a picture of what `paint` draws; it gives the height.
local function picture(name, wide, paint)
  out = {}
  local high = paint()
  local file <close> = assert(io.open(folder .. "/" .. name, "w"))
  file:write(('<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" '
    .. 'viewBox="0 0 %d %d" font-family="sans-serif">\n'
    .. '<rect width="100%%" height="100%%" fill="#ffffff"/>\n'):format(wide, high, wide, high),
    table.concat(out, "\n"), "\n</svg>\n")
end

--- A time in ns, short.
local function time(ns)
  for _, unit in ipairs {{1e9, "s"}, {1e6, "ms"}, {1e3, "µs"}} do
    if ns >= unit[1] then
      return (("%.3g %s"):format(ns / unit[1], unit[2]))
    end
  end
  return ("%.0f ns"):format(ns)
end

local function count(n)
  if n >= 1000000 then return ("%g M"):format(n / 1000000) end
  return n >= 1000 and ("%g k"):format(n / 1000) or ("%d"):format(n)
end

--- The powers of ten around the values of rows.
local function decades(rows)
  local low, high = math.huge, 0
  for _, row in ipairs(rows) do
    for _, value in pairs(row.values) do
      if value > 0 then low, high = math.min(low, value), math.max(high, value) end
    end
  end
  return math.floor(math.log(low, 10)), math.ceil(math.log(high, 10))
end

--- The names of peers in their colours, in lines that fit.
local function legend(peers, x, y, limit)
  local left = x
  for _, peer in ipairs(peers) do
    local title = results.titles[peer]
    local wide = 16 + width(title, 12) + 14
    if x + wide > limit then x, y = left, y + 18 end
    draw('<rect x="%.1f" y="%.1f" width="12" height="12" fill="%s"/>', x, y - 10, COLOURS[peer])
    text(x + 16, y, "start", 12, title)
    x = x + wide
  end
  return y
end

local function subtitle()
  local machine = ("%s. Commit %s."):format(results.machine, results.commit or "unknown")
  if results.scale ~= 1 then machine = machine .. " A quick look, not a measurement." end
  return machine
end


-- ---- the bars ------------------------------------------------------------

local WIDE = 860

local function bars(rows)
  local peers = report.peers(results, rows)
  local low, high = decades(rows)
  local label = 0
  for _, row in ipairs(rows) do label = math.max(label, width(row.what, 12)) end
  local left, right = 16 + label + 10, WIDE - 70
  local function x_of(value)
    return left + (math.log(value, 10) - low) / (high - low) * (right - left)
  end

  text(16, 26, "start", 16, "Time per operation: shorter is faster, each line is ten times more")
  text(16, 44, "start", 11, subtitle(), "#666")
  local top = legend(peers, 16, 68, WIDE - 16) + 28
  local y, marks = top, #out + 1
  for _, row in ipairs(rows) do
    local first = y
    for _, peer in ipairs(peers) do
      local value = row.values[peer]
      if value and value > 0 then
        draw('<rect x="%.1f" y="%.1f" width="%.1f" height="10" fill="%s"/>', left, y,
          x_of(value) - left, COLOURS[peer])
        text(x_of(value) + 4, y + 9, "start", 10, time(value),
          peer == "casync" and COLOURS.casync or "#444")
        y = y + 12
      end
    end
    text(left - 10, (first + y) / 2 + 3, "end", 12, row.what)
    y = y + 10
  end
  local grid = {}
  out, grid = grid, out
  for power = low, high do
    local x = left + (power - low) / (high - low) * (right - left)
    line(x, top - 6, x, y, "#ddd")
    text(x, top - 10, "middle", 10, time(10.0 ^ power), "#666")
  end
  -- Behind the bars.
  grid, out = out, grid
  table.move(out, marks, #out, marks + #grid)
  table.move(grid, 1, #grid, marks, out)
  return y + 10
end


-- ---- the curves ----------------------------------------------------------

local PANEL, GAP, HIGH = 250, 56, 260

local function panel(section, left, top, low, high)
  local right, bottom, rows = left + PANEL, top + HIGH, section.rows
  local first, last = rows[1].size, rows[#rows].size
  local function x_of(size)
    if first == last then return (left + right) / 2 end
    return left + math.log(size / first) / math.log(last / first) * PANEL
  end
  local function y_of(value)
    return bottom - (math.log(value, 10) - low) / (high - low) * HIGH
  end

  text(left, top - 12, "start", 13, (section.title:gsub(", ns each", "")))
  for power = low, high do
    line(left, y_of(10.0 ^ power), right, y_of(10.0 ^ power), "#ddd")
    text(left - 5, y_of(10.0 ^ power) + 4, "end", 10, time(10.0 ^ power), "#666")
  end
  for _, row in ipairs(rows) do
    line(x_of(row.size), top, x_of(row.size), bottom, "#eee")
    text(x_of(row.size), bottom + 16, "middle", 10, count(row.size), "#666")
  end
  for _, peer in ipairs(report.peers(results, rows)) do
    local points = {}
    for _, row in ipairs(rows) do
      local value = row.values[peer]
      if value and value > 0 then
        points[#points + 1] = ("%.1f,%.1f"):format(x_of(row.size), y_of(value))
        draw('<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>', x_of(row.size), y_of(value),
          COLOURS[peer])
      end
    end
    draw('<polyline points="%s" fill="none" stroke="%s" stroke-width="%s"/>',
      table.concat(points, " "), COLOURS[peer], peer == "casync" and "3" or "1.5")
  end
end

local function curves(sections)
  local all = {}
  for _, section in ipairs(sections) do table.move(section.rows, 1, #section.rows, #all + 1, all) end
  local low, high = decades(all)
  text(16, 26, "start", 16, "Time for each of N at once: a flat line is best")
  text(16, 44, "start", 11, subtitle(), "#666")
  local top = legend(report.peers(results, all), 16, 68, WIDE + 100) + 44
  for i, section in ipairs(sections) do
    panel(section, 64 + (i - 1) * (PANEL + GAP), top, low, high)
  end
  return top + HIGH + 30
end


local growth, operations = {}, {}
for _, section in ipairs(results.sections) do
  if section.growth then growth[#growth + 1] = section end
  if section.drawn then
    table.move(section.rows, 1, #section.rows, #operations + 1, operations)
  end
end

picture("workloads.svg", WIDE, function() return bars(operations) end)
if #growth > 0 then
  picture("growth.svg", 64 + #growth * (PANEL + GAP), function() return curves(growth) end)
end
