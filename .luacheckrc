std = "lua54"
max_line_length = 120
self = false

-- A scope guard is 'local _ <close> = ...'; a name that only documents an
-- argument may stay unused.
ignore = {"211/_.*", "212", "213/_.*"}

files["spec/**/*.lua"] = {std = "lua54+busted"}
files["spec/hosts/*.lua"] = {read_globals = {"host"}}
-- It puts itself before functions of the standard library.
files["tools/coverage.lua"] = {ignore = {"122"}}
files["spec/torture/**/*.lua"] = {std = "lua54", read_globals = {"host"}}
files["types/**/*.lua"] = {ignore = {"111", "112", "113", "211", "212", "241", "631"}}

-- Dropping the last reference to a task is what some of these are about.
files["spec/parity/*.lua"] = {ignore = {"211/_.*", "212", "213/_.*", "311", "331"}}
