"""Task groups: failing children, failing bodies, cancelled bodies, nesting."""
import asyncio


def leaves(e):
    if isinstance(e, BaseExceptionGroup):
        return "[" + ", ".join(leaves(x) for x in e.exceptions) + "]"
    return str(e)


events = []


async def child(name, failing, delay=0.03):
    try:
        await asyncio.sleep(0)
        if failing:
            raise ValueError(name)
        await asyncio.sleep(delay)
        events.append("finished " + name)
    except asyncio.CancelledError:
        events.append("cancelled " + name)
        raise


async def case(title, make):
    try:
        await asyncio.create_task(make())
        text = "ok"
    except asyncio.CancelledError as e:
        text = "cancelled " + str(e)
    except BaseExceptionGroup as e:
        text = "group " + leaves(e)
    print(f"{title}: {text}; " + ", ".join(sorted(events)))
    events.clear()


async def simple(failing, body):
    async with asyncio.TaskGroup() as group:
        for i in range(1, 4):
            group.create_task(child(f"child{i}", i <= failing, i / 50))
        if body == "raises":
            raise BodyError("body")
        if body == "waits":
            await asyncio.sleep(0.05)
            events.append("body went on")


class BodyError(Exception):
    pass


async def late_children():
    async with asyncio.TaskGroup() as group:
        async def parent():
            await asyncio.sleep(0)
            group.create_task(child("grandchild", False))
        group.create_task(parent())


async def hand_cancelled():
    async with asyncio.TaskGroup() as group:
        a = group.create_task(child("by hand", False))
        group.create_task(child("beside", False))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        a.cancel()


async def nested():
    async with asyncio.TaskGroup() as outer:
        outer.create_task(child("outer child", False))
        async with asyncio.TaskGroup() as inner:
            inner.create_task(child("inner child", True))


async def cleanup_fails():
    async def dirty():
        try:
            await asyncio.sleep(10)
        finally:
            raise ValueError("dirty cleanup")
    async with asyncio.TaskGroup() as group:
        group.create_task(dirty())
        group.create_task(child("trigger", True))


async def outside():
    async def inner():
        async with asyncio.TaskGroup() as group:
            group.create_task(child("left", False, 1))
            await asyncio.sleep(10)
    task = asyncio.create_task(inner())
    await asyncio.sleep(0.001)
    task.cancel("outside")
    await task


async def finished():
    async with asyncio.TaskGroup() as group:
        pass
    coro = child("too late", False)
    try:
        group.create_task(coro)
    except RuntimeError:
        events.append("refused after the end")
    coro.close()


async def main():
    for failing in range(3):
        for body in ("ends", "waits", "raises"):
            await case(f"{failing} failing, body {body}", lambda: simple(failing, body))
    await case("late children", late_children)
    await case("cancelled by hand", hand_cancelled)
    await case("nested", nested)
    await case("cleanup fails", cleanup_fails)
    await case("cancelled from outside", outside)
    await case("finished", finished)


asyncio.run(main())
