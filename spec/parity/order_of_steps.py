"""The order in which callbacks, task steps and done-callbacks run."""
import asyncio

log = []


async def step(name, n):
    for i in range(n):
        log.append(f"{name}{i}")
        await asyncio.sleep(0)


async def waiter(name, future):
    log.append(name + "<")
    log.append(f"{name}={await future}")


async def nest(level):
    log.append(f"down{level}")
    if level > 0:
        await asyncio.create_task(nest(level - 1))
    log.append(f"up{level}")


async def ticks(n):
    for _ in range(n):
        log.append("|")
        await asyncio.sleep(0)


def show(title):
    print(title + ":", " ".join(log))
    log.clear()


async def main():
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    loop.call_soon(log.append, "a")
    t = asyncio.create_task(step("t", 3))
    loop.call_soon(log.append, "b")
    w0 = asyncio.create_task(waiter("w0", future))
    w1 = asyncio.create_task(waiter("w1", future))
    t.add_done_callback(lambda _: log.append("done"))
    loop.call_soon(future.set_result, "v")
    loop.call_soon(log.append, "c")
    await ticks(6)
    show("mixed")

    future = loop.create_future()
    future.add_done_callback(lambda _: log.append("before"))
    w2 = asyncio.create_task(waiter("w2", future))
    await asyncio.sleep(0)
    future.add_done_callback(lambda _: log.append("after"))
    future.set_result(1)
    log.append("set")
    future.add_done_callback(lambda _: log.append("late"))
    await ticks(3)
    show("callbacks")

    n = asyncio.create_task(nest(3))
    await ticks(10)
    show("nested")

    loop.call_later(0, log.append, "timer")
    loop.call_soon(log.append, "soon")
    await asyncio.sleep(0)
    await asyncio.sleep(0.01)
    print(str("timer" in log).lower(), str("soon" in log).lower())
    log.clear()

    def again(n):
        log.append(f"again{n}")
        if n > 0:
            loop.call_soon(again, n - 1)

    again(3)
    await ticks(4)
    show("rescheduled")
    for task in (t, w0, w1, w2, n):
        await task


asyncio.run(main())
