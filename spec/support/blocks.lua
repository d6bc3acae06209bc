-- The code blocks of a Markdown text.

local blocks = {}

--- A list of the blocks that begin with ```lua: {code=, line=, output=}.
--- 'line' is that of the first line of code; 'output' is the text of a
--- block marked ```output or ``` that follows with only blank lines between,
--- or nil.
function blocks.find(text)
  local found = {}
  local open        -- the block being read: {info=, line=, lines=}
  local last        -- the Lua block that an output block may follow
  local number = 0
  for line in (text:gsub("\r\n", "\n") .. "\n"):gmatch "(.-)\n" do
    number = number + 1
    local info = line:match "^```%s*(.-)%s*$"
    if open and info == "" then
      local body = table.concat(open.lines, "\n") .. "\n"
      if open.info == "lua" then
        last = {code = body, line = open.line}
        found[#found + 1] = last
      else
        if last and (open.info == "" or open.info == "output") then
          last.output = body
        end
        last = nil
      end
      open = nil
    elseif open then
      open.lines[#open.lines + 1] = line
    elseif info then
      open = {info = info, line = number + 1, lines = {}}
    elseif line:find "%S" then
      last = nil
    end
  end
  if open then
    error(("the block of code at line %d does not end"):format(open.line), 0)
  end
  return found
end

return blocks
