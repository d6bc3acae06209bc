-- examples/downloader.lua with few files, under failing system calls: see
-- run.lua. It compares each byte with the originals.

io.stdout:setvbuf "no"
_G.arg = {
  [0] = "examples/downloader.lua", "--root", "examples/tutorial",
  "--files", "12", "--concurrency", "4", "--timeout", "8",
}
local main = assert(loadfile(arg[0]))
io.open "/syscalls-begin"
main(table.unpack(arg))
