"""Connections that fail, break off, are cancelled or time out."""
import asyncio


def flag(x):
    return str(x).lower()


async def serve(handler):
    server = await asyncio.start_server(handler, "127.0.0.1", 0)
    return server, server.sockets[0].getsockname()[1]


async def main():
    async def silent(reader, writer):
        await reader.read(1)
        writer.close()

    server, port = await serve(silent)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        await asyncio.wait_for(reader.readline(), 0.01)
    except TimeoutError:
        print("read timed out")
    task = asyncio.create_task(reader.readexactly(5))
    await asyncio.sleep(0)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        print("read cancelled")
    task = asyncio.create_task(reader.readline())
    await asyncio.sleep(0)
    try:
        await reader.readline()
    except RuntimeError:
        print("two readers at once are refused")
    writer.write(b"x")
    print("end of file", flag(await task == b""))
    writer.close()
    await writer.wait_closed()
    server.close()
    await server.wait_closed()

    try:
        await asyncio.open_connection("127.0.0.1", port)
    except ConnectionRefusedError:
        print("nobody listens")

    async def partial(reader, writer):
        writer.write(b"12345")
        writer.close()

    server, port = await serve(partial)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    task = asyncio.create_task(reader.readexactly(10))
    try:
        await task
    except asyncio.IncompleteReadError as e:
        print("incomplete", e.partial.decode(), e.expected)
    writer.close()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        await reader.readuntil(b"!")
    except asyncio.IncompleteReadError as e:
        print("separator missing", e.partial.decode())
    writer.close()
    server.close()

    ended = asyncio.get_running_loop().create_future()

    async def lines(reader, writer):
        count = 0
        async for _ in reader:
            count += 1
        ended.set_result(count)
        writer.close()

    server, port = await serve(lines)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"one\ntwo\nthree")
    writer.close()
    print("lines before the peer closed", await ended)
    server.close()


asyncio.run(main())
