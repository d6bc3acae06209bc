-- busted as a script for any Lua, so that a checker can be put before it.

require "busted.runner"({standalone = false})
