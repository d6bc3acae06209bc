"""Async generators: values, errors, early exit, explicit close, pipelines."""
import asyncio

log = []


async def count(n, delay=0):
    try:
        for i in range(1, n + 1):
            await asyncio.sleep(delay)
            yield i
        log.append("exhausted")
    finally:
        log.append("closed")


async def squares(source):
    async for x in source:
        yield x * x


async def failing():
    yield 1
    raise ValueError("in the generator")


def show(title):
    print(f"{title}: {' '.join(map(str, log))}")
    log.clear()


async def main():
    async for x in count(3):
        log.append(x)
    show("all")

    g = count(5)
    async for x in g:
        log.append(x)
        if x == 2:
            break
    await g.aclose()
    show("left early")

    g = count(3)
    log.append(await g.__anext__())
    log.append(await g.__anext__())
    await g.aclose()
    await g.aclose()
    show("by hand")
    try:
        await g.__anext__()
    except StopAsyncIteration:
        print("nothing after close")

    try:
        async for x in failing():
            log.append(x)
    except ValueError as e:
        log.append(e)
    show("error inside")

    g = count(3)
    try:
        async for x in g:
            raise ValueError(f"in the body at {x}")
    except ValueError as e:
        log.append(e)
    await g.aclose()
    log.sort(key=str)
    show("error in the body")

    async for x in squares(count(4)):
        log.append(x)
    show("pipeline")

    async def consume():
        g = count(100, 0.003)
        try:
            async for x in g:
                if x == 1:
                    log.append("started")
        finally:
            await g.aclose()
    task = asyncio.create_task(consume())
    await asyncio.sleep(0.05)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        log.append("cancelled")
    show("cancelled")

    async def take(name):
        async for x in count(2):
            log.append(f"{name}{x}")
    await asyncio.gather(take("a"), take("b"))
    show("two at once")


asyncio.run(main())
