"""cancelling() and uncancel() in hand-written time-outs, inside groups."""
import asyncio


def count(where):
    print(f"  {where}: cancelling {asyncio.current_task().cancelling()}")


async def hand_timeout(delay, body):
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    expired = []
    handle = loop.call_later(delay, lambda: (expired.append(1), task.cancel("deadline")))
    try:
        await body()
        return "ended"
    except asyncio.CancelledError:
        count("caught")
        if expired and task.uncancel() == 0:
            count("uncancelled")
            return "timed out"
        raise
    finally:
        handle.cancel()


async def sleep_long():
    await asyncio.sleep(1)


async def sleep_none():
    await asyncio.sleep(0)


async def inside_group():
    async def child():
        try:
            await asyncio.sleep(1)
        except asyncio.CancelledError:
            count("child")
            raise
    async with asyncio.TaskGroup() as group:
        group.create_task(child())
        count("in the group")
        await asyncio.sleep(1)


async def run(title, coro):
    task = asyncio.create_task(coro)
    try:
        print(f"{title}: {await task}, {task.cancelling()}")
    except asyncio.CancelledError:
        print(f"{title}: cancelled, {task.cancelling()}")


async def both():
    task = asyncio.current_task()
    loop = asyncio.get_running_loop()
    loop.call_later(0.01, task.cancel, "outside")

    async def slow():
        try:
            await asyncio.sleep(1)
        finally:
            await asyncio.sleep(0.03)
    return await hand_timeout(0.02, slow)


async def counts():
    task = asyncio.current_task()
    text = [str(task.cancelling()), str(task.uncancel())]
    task.cancel()
    task.cancel()
    text.append(str(task.cancelling()))
    try:
        await asyncio.sleep(0)
    except asyncio.CancelledError:
        text.append("once")
    await asyncio.sleep(0)
    text.append(str(task.uncancel()))
    text.append(str(task.uncancel()))
    text.append(str(task.uncancel()))
    return " ".join(text)


async def library_timeout():
    try:
        async with asyncio.timeout(0.01):
            count("entered")
            try:
                await asyncio.sleep(1)
            finally:
                count("expired")
    except TimeoutError:
        count("converted")
    await asyncio.sleep(0)
    return "went on"


async def main():
    await run("in time", hand_timeout(1, sleep_none))
    await run("too late", hand_timeout(0.01, sleep_long))
    await run("group in it", hand_timeout(0.01, inside_group))
    await run("from both sides", both())
    await run("counts", counts())
    await run("library", library_timeout())


asyncio.run(main())
