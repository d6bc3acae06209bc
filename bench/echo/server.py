"""An echo server on asyncio's streams, or uvloop's with --uvloop.

Without a number what comes goes back; with one, whole messages of that many
bytes do.
"""

import asyncio
import sys

numbers = [a for a in sys.argv[1:] if not a.startswith("--")]
size = int(numbers[0]) if numbers else 0


async def echo(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


async def echo_whole(reader, writer):
    while True:
        writer.write(await reader.readexactly(size))
        await writer.drain()


async def serve(reader, writer):
    try:
        await (echo_whole if size else echo)(reader, writer)
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print("port=%d" % server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


if "--uvloop" in sys.argv:
    import uvloop
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
asyncio.run(main())
