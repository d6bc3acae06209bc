"""Reading a stream in pieces: lines, separators, exact counts, limits, EOF."""
import asyncio


def text(data):
    return data.decode().replace("\r", "\\r").replace("\n", "\\n") or "<nothing>"


PIECES = [b"first li", b"ne\nsecond\nthi", b"rd|fou", b"r", b"th||", b"12345", b"67890abc",
          b"\r\n\r", b"\nremain", b"der"]


async def handle(reader, writer):
    for piece in PIECES:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0.003)
    writer.close()


async def flood(reader, writer):
    writer.write(b"x" * 300 + b"\n" + b"short\n" + b"y" * 10)
    writer.close()


async def attempt(title, coro):
    try:
        print(f"{title}: {text(await coro)}")
    except asyncio.IncompleteReadError as e:
        print(f"{title}: IncompleteReadError {text(e.partial)} of {e.expected}")
    except asyncio.LimitOverrunError:
        print(f"{title}: LimitOverrunError")


async def main():
    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    await attempt("line", reader.readline())
    await attempt("line", reader.readline())
    await attempt("until |", reader.readuntil(b"|"))
    await attempt("until ||", reader.readuntil(b"||"))
    await attempt("exactly 10", reader.readexactly(10))
    await attempt("exactly 0", reader.readexactly(0))
    await attempt("read 0", reader.read(0))
    await attempt("until blank line", reader.readuntil(b"\r\n\r\n"))
    await attempt("read 3", reader.read(3))
    print("at end", str(reader.at_eof()).lower())
    await attempt("exactly 20", reader.readexactly(20))
    await attempt("read at end", reader.read(5))
    await attempt("rest at end", reader.read())
    await attempt("exactly at end", reader.readexactly(1))
    print("at end", str(reader.at_eof()).lower())
    writer.close()

    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    await attempt("all", reader.read())
    writer.close()
    server.close()

    server = await asyncio.start_server(flood, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=100)
    await attempt("over the limit", reader.readuntil(b"\n"))
    print("nothing was lost:", len(await reader.readexactly(301)))
    await attempt("goes on", reader.readline())
    await attempt("unfinished line", reader.readline())
    writer.close()
    server.close()


asyncio.run(main())
